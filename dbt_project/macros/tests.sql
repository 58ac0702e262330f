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
