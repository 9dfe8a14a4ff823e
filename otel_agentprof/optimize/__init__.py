"""What a finding tells you to switch on: a cache, parallel work, streaming, a choice of model, budgets."""
