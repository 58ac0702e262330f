-- One row per backtest origin, forecaster, segment and measure: how good the forecast was where the answer is known, and how good the baseline.
select
    a.as_of_date,
    a.origin_date,
    a.forecaster,
    a.segment,
    a.measure,
    a.score,
    b.score as baseline_score
from {{ source('forecast', 'accuracy') }} as a
left join {{ source('forecast', 'accuracy') }} as b
    on
        a.as_of_date = b.as_of_date
        and a.origin_date = b.origin_date
        and a.segment = b.segment
        and a.measure = b.measure
        and b.forecaster = 'level x weekday'
where a.as_of_date = {{ as_of_date() }}
order by a.origin_date, a.forecaster, a.segment, a.measure
