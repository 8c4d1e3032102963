"""Training in stages: a supervised warm-up, then GRPO for accuracy, then GRPO for brevity. Each stage is a run of its own."""
