"""Days that are special, known long before.

Belongs here: public holidays. Does not: signals a deployment delivers (`external_signals`).
"""

import holidays
import numpy as np
import pandas as pd
from numpy.typing import NDArray


def holiday_flags(country: str | None, days: pd.DatetimeIndex) -> NDArray[np.float32]:
    """Rows "is a public holiday" and "the day before one", shape (2, n_days); zeros without a country."""
    flags = np.zeros((2, len(days)), dtype=np.float32)
    if country is None:
        return flags
    calendar = holidays.country_holidays(country, years=range(days[0].year, days[-1].year + 2))
    flags[0] = [day.date() in calendar for day in days]
    flags[1] = [(day + pd.Timedelta(days=1)).date() in calendar for day in days]
    return flags
