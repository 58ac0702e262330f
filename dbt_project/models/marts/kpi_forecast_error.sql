-- One row per backtest origin, forecaster, segment and measure: how good the forecast was where the answer is known.
select
    as_of_date,
    origin_date,
    forecaster,
    segment,
    measure,
    score
from {{ source('forecast', 'accuracy') }}
where as_of_date = {{ as_of_date() }}
order by origin_date, forecaster, segment, measure
