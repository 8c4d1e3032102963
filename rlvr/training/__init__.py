"""Training in stages: a supervised warm-up, then GRPO for accuracy, then GRPO for brevity. A stage is a run."""
