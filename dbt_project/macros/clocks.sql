{# Every change of the clocks since ten years before the window, newest first, by zone in use: (zone, moment, seconds east of UTC).
   The oldest row of a zone is what holds from the first day looked at. #}
{% macro _clock_changes() -%}
    {%- if not execute -%} {{ return([]) }} {%- endif -%}
    {%- set found = run_query(
        "with zones as (select time_zone from raw.nodes union select time_zone from raw.regions union select time_zone from raw.run_day),"
        ~ " days as (select time_zone, unnest(generate_series(least(changed_from_date, as_of_date - 3650)::timestamp, as_of_date + interval 400 day,"
        ~ " interval 1 day)) as moment from zones cross join (select changed_from_date, as_of_date from raw.run_day) where time_zone is not null),"
        ~ " told as (select *, epoch((moment at time zone 'UTC') at time zone time_zone) - epoch(moment) as east from days),"
        ~ " switched as (select *, lag(east) over (partition by time_zone order by moment) as east_before from told),"
        ~ " quarters as (select time_zone, unnest(generate_series(moment - interval 1 day, moment, interval 15 minute)) as moment from switched"
        ~ " where east <> east_before),"
        ~ " exact as (select *, epoch((moment at time zone 'UTC') at time zone time_zone) - epoch(moment) as east from quarters),"
        ~ " found as (select * from exact qualify east <> lag(east) over (partition by time_zone order by moment)"
        ~ " union all select time_zone, moment, east from switched where east_before is null)"
        ~ " select time_zone, moment::varchar as moment, east::bigint as east from found order by time_zone, moment desc"
    ) -%}
    {{ return(found.rows) }}
{%- endmacro %}

{# Business day of a UTC moment at a place. Clock changes spelt out as literals are ten times faster than the time zone library, which
   is left with moments before the first of them. #}
{% macro business_date(moment, time_zone) -%}
    case {{ time_zone }}
        {%- for zone, changes in _clock_changes() | groupby(0) %}
        when '{{ zone }}' then case
            {%- for change in changes %}
            when {{ moment }} >= timestamp '{{ change[1] }}' then ({{ moment }} + interval '{{ change[2] }} second')::date
            {%- endfor %}
            else (({{ moment }} at time zone 'UTC') at time zone '{{ zone }}')::date
        end
        {%- endfor %}
        else (({{ moment }} at time zone 'UTC') at time zone {{ time_zone }})::date
    end
{%- endmacro %}
