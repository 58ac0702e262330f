"""The stages of the day, one module each, in the order of the pipeline: feeds, facts, forecast, plan, publish."""
