"""The report: one HTML page of training runs and an evaluation, with its figures as PNG files."""

from rlvr.report.html import write_report
from rlvr.report.runs import Run, load_run

__all__ = ["Run", "load_run", "write_report"]
