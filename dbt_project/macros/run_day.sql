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
