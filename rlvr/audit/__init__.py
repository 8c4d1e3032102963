"""Try to break a reward: adversarial completions of known truth, and whole degenerate policies.

    audit                                     run every family against a target, and say what was found
    as_target                                 what can be audited: a function, `module:function`, a composition
    built_in_examples, load_examples          what it is audited on
    AuditResult, Finding, rule                what comes back, and by which rule
    FAMILIES, POLICIES, NAMES, CLAUSES        what is tried

`rlvr audit my_rewards:my_reward` does it from the command line, `rlvr.testing` from pytest.
"""

from __future__ import annotations

from rlvr.audit.contract import CLAUSES
from rlvr.audit.examples import built_in_examples, load_examples
from rlvr.audit.families import FAMILIES, NAMES, Family, probes
from rlvr.audit.findings import AuditResult, FamilyResult, Finding, PolicyResult, rule
from rlvr.audit.policies import POLICIES
from rlvr.audit.run import audit
from rlvr.audit.subject import Probe, Subject
from rlvr.audit.target import Target, as_target, composition_target, function_target

__all__ = [
    "CLAUSES",
    "FAMILIES",
    "NAMES",
    "POLICIES",
    "AuditResult",
    "Family",
    "FamilyResult",
    "Finding",
    "PolicyResult",
    "Probe",
    "Subject",
    "Target",
    "as_target",
    "audit",
    "built_in_examples",
    "composition_target",
    "function_target",
    "load_examples",
    "probes",
    "rule",
]
