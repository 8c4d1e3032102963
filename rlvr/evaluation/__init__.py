"""Evaluation: greedy completions, strict verdicts, figures with intervals, paired comparisons."""

from rlvr.evaluation.compare import Comparison, compare, compare_successive
from rlvr.evaluation.metrics import Row, figures, rows
from rlvr.evaluation.records import EvalRecord, read_records, write_records
from rlvr.evaluation.run import ModelSpec, evaluate
from rlvr.evaluation.statistics import Figure, mean, paired_mean_difference, paired_share_difference, wilson
from rlvr.evaluation.summary import write_summary

__all__ = [
    "Comparison",
    "EvalRecord",
    "Figure",
    "ModelSpec",
    "Row",
    "compare",
    "compare_successive",
    "evaluate",
    "figures",
    "mean",
    "paired_mean_difference",
    "paired_share_difference",
    "read_records",
    "rows",
    "wilson",
    "write_records",
    "write_summary",
]
