"""Programs that run in environments of their own, because the packages they show cannot stand beside ours."""
