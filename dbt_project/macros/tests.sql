{% test unique_combination(model, columns, from_day=none) %}
    select {{ columns | join(", ") }}
    from {{ model }}
    {% if from_day %} where {{ from_day }} >= {{ changed_from() }} {% endif %}
    group by {{ columns | join(", ") }}
    having count(*) > 1
{% endtest %}

{% test is_between(model, column_name, low, high=none) %}
    select {{ column_name }} from {{ model }}
    where {{ column_name }} < {{ low }} {% if high is not none %} or {{ column_name }} > {{ high }} {% endif %}
{% endtest %}

{# The table has rows of the day of the plan, wherever anything is delivered. #}
{% test reaches_the_day(model, day) %}
    select max({{ day }}) as last_day
    from {{ model }}
    having max({{ day }}) < {{ as_of_date() }}
{% endtest %}

{# The newest day has about as many rows as the days of the four weeks before it. #}
{% test row_count_band(model, day, low=0.5, high=2) %}
    with days as (
        select {{ day }} as day, count(*) as row_count
        from {{ model }}
        where {{ day }} between {{ as_of_date() }} - 28 and {{ as_of_date() }}
        group by all
    )
    select today.row_count, usual.row_count as usual_row_count
    from (select row_count from days where day = {{ as_of_date() }}) as today
    cross join (select median(row_count) as row_count from days where day < {{ as_of_date() }}) as usual
    where today.row_count not between {{ low }} * usual.row_count and {{ high }} * usual.row_count
{% endtest %}
