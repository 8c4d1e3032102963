"""Why a match is what it is: the pairs, their arguments' verdicts, and the rules by which `typed` and `bfcl` differ."""

from __future__ import annotations

from rlvr.rewards.matching import rules
from rlvr.rewards.matching.bfcl import call_valid, greedy_pairs
from rlvr.rewards.matching.calls import assign
from rlvr.rewards.matching.modes import ArgumentVerdict, CallPair, Compared, Match
from rlvr.rewards.matching.verdicts import argument_verdicts, bfcl_equal, typed_verdicts
from rlvr.tools import object_shape
from rlvr.types import GoldCall, Tool, ToolCall


def pairs_of(compared: Compared, mode: str) -> tuple[CallPair, ...]:
    """The chosen pairs in the order of the wanted calls, then what is missing, then what is too much."""
    calls, gold, tools = compared.calls, compared.gold, compared.tools
    chosen, table = assign(calls, gold, tools, mode)
    pairs = []
    for i, j in sorted(chosen, key=lambda ij: ij[1]):
        pairs.append(_pair(i, j, *table[i][j], _arguments(calls[i], gold[j], tools.get(gold[j].name), mode)))
    rows, columns = {i for i, _ in chosen}, {j for _, j in chosen}
    pairs += [CallPair(None, j, False, 0.0, "missing") for j in range(len(gold)) if j not in columns]
    pairs += [CallPair(i, None, False, 0.0, "extra") for i in range(len(calls)) if i not in rows]
    return tuple(pairs)


def rules_of(compared: Compared, match: Match) -> tuple[str, ...]:
    """The rules on the pairs' arguments, and those about calls as a whole."""
    calls, gold, tools = compared.calls, compared.gold, compared.tools
    found = {r for p in match.pairs for a in p.arguments for r in a.rules}
    official = greedy_pairs(calls, gold, tools)
    perfect = len(calls) == len(gold) and all(p.matched for p in match.pairs)
    if match.mode == "exact" or perfect == (official is not None):
        return tuple(sorted(found))
    if official is not None:  # the official checker matched other pairs: what tells them apart under this mode?
        for i, j in official:
            arguments = _arguments(calls[i], gold[j], tools.get(gold[j].name), "typed") or ()
            found |= {r for a in arguments for r in a.rules}
    else:
        found |= _about_calls(compared, match)
    return tuple(sorted(found))


def _about_calls(compared: Compared, match: Match) -> set[str]:
    """What the official checker has against calls that match under `typed`, beyond single arguments."""
    found = set()
    fits = True
    for pair in match.pairs:
        assert pair.predicted is not None
        assert pair.wanted is not None
        call, gold = compared.calls[pair.predicted], compared.gold[pair.wanted]
        tool = compared.tools.get(gold.name)
        fits = fits and call_valid(call, gold, tool)
        if tool is None:
            found.add(rules.TOOL_NOT_OFFERED)
        elif not object_shape(tool.parameters, tool.parameters).required <= {*gold.arguments, *call.arguments}:
            found.add(rules.OPTIONAL_BY_ANSWER)
    return found | ({rules.BEST_ASSIGNMENT} if fits else set())


def _pair(i: int, j: int, matched: bool, credit: float, arguments: tuple[ArgumentVerdict, ...] | None) -> CallPair:
    if arguments is None:
        return CallPair(i, j, False, 0.0, "wrong_name")
    return CallPair(i, j, matched, credit, "equal" if matched else "wrong_arguments", arguments)


def _arguments(call: ToolCall, gold: GoldCall, tool: Tool | None, mode: str) -> tuple[ArgumentVerdict, ...] | None:
    """The arguments' verdicts under `mode`, with the rules by which `typed` and `bfcl` disagree on one."""
    if call.name != gold.name:
        return None
    typed, bfcl = typed_verdicts(call, gold, tool), bfcl_equal(call, gold, tool)
    out = []
    for name, verdict in argument_verdicts(call, gold, tool, mode).items():
        named: tuple[str, ...] = ()
        if name not in typed:  # required by the schema, and neither wanted nor given
            named = (rules.OPTIONAL_BY_ANSWER,)
        elif typed[name].equal != bfcl[name]:
            named = rules.deciding(typed[name].applied, typed_equal=typed[name].equal)
        out.append(ArgumentVerdict(name, verdict.equal, verdict.credit, verdict.reason, named))
    return tuple(out)
