{# The day of the run is data: one row in raw.run_day, read once a model and written into the SQL as a literal, so that
   DuckDB can skip row groups outside the window. #}
{% macro _run_day(column, parsing_value) -%}
    {%- set run_day = source("raw", "run_day") -%}
    {%- if execute -%}
        {%- set found = run_query("select " ~ column ~ "::varchar from raw.run_day") -%}
        {{ return(found.columns[0].values()[0]) }}
    {%- endif -%}
    {{ return(parsing_value) }}
{%- endmacro %}

{% macro as_of_date() -%} date '{{ _run_day("as_of_date", "2000-01-01") }}' {%- endmacro %}

{# First business day that this run has to build again. #}
{% macro changed_from() -%} date '{{ _run_day("changed_from_date", "2000-01-01") }}' {%- endmacro %}

{% macro default_time_zone() -%} '{{ _run_day("time_zone", "UTC") }}' {%- endmacro %}

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

{# Rows whose day this run builds again: a literal on the stored moment first, which skips row groups; the day itself is looked at near
   the edge only. #}
{% macro in_window(moment, day) -%}
    {{ moment }} >= {{ changed_from() }} - interval 1 day
    and ({{ moment }} >= {{ changed_from() }} + interval 2 day or {{ day }} >= {{ changed_from() }})
{%- endmacro %}

{# Rows up to the day of the plan, the day itself looked at near the edge only (a count may belong to the day before). #}
{% macro by_the_day(moment, day) -%}
    {{ moment }} < {{ as_of_date() }} + interval 3 day
    and ({{ moment }} < {{ as_of_date() }} - interval 1 day or {{ day }} <= {{ as_of_date() }})
{%- endmacro %}

{# The same for documents that come in versions: all versions of a document share key_first_at. #}
{% macro key_in_window() -%}
    key_first_at >= {{ changed_from() }} - interval 1 day
{%- endmacro %}

{# Pre-hook of incremental facts: take out the days that are built again. #}
{% macro clear_window(day) -%}
    {% if is_incremental() %} delete from {{ this }} where {{ day }} >= {{ changed_from() }} {% else %} select 1 {% endif %}
{%- endmacro %}

{# The same for facts by month. #}
{% macro clear_months(month) -%}
    {% if is_incremental() %} delete from {{ this }} where {{ month }} >= date_trunc('month', {{ changed_from() }}) {% else %} select 1 {% endif %}
{%- endmacro %}

{% macro clear_documents() -%}
    {% if is_incremental() %} delete from {{ this }} where {{ key_in_window() }} {% else %} select 1 {% endif %}
{%- endmacro %}

{# Newest delivery of a key among what has been delivered; masters. #}
{% macro newest(keys) -%}
    qualify row_number() over (partition by {{ keys }} order by ledger_sequence desc, source_line_number desc) = 1
{%- endmacro %}

{# Newest version of a key that the day knew. #}
{% macro newest_version(keys) -%}
    qualify row_number() over (
        partition by {{ keys }} order by updated_at desc nulls last, ledger_sequence desc, source_line_number desc
    ) = 1
{%- endmacro %}
