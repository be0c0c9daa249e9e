"""A peer's losses beside ours: how far they lie apart, and which calls they would keep."""
import statistics

from annotate_inputs import WEIGHTS


def weighted_loss(lps):
    return -sum(w * lp for w, lp in zip(WEIGHTS, lps))


def differences(text, losses, p, scores):
    """Of one text against what our run without pruning stored: lists of absolute differences."""
    out = {"loss_empty": [abs(losses[row["token"]] - row["loss_empty"]) for row in text["places"]],
           "p": [abs(p[row["tool"]][row["token"]] - row["p"]) for row in text["places"] if row["tool"] in p],
           "loss_result": [], "loss_call": []}
    for k, (with_result, empty) in scores.items():
        own = text["candidates"][k]
        out["loss_result"].append(abs(with_result - own["loss_result"]))
        if empty is not None:
            out["loss_call"].append(abs(empty - own["loss_call"]))
    return out


def kept_by(texts, results):
    """Calls whose gain reaches the threshold, by the peer's own losses."""
    kept = []
    for index, (text, (losses, _, scores)) in enumerate(zip(texts, results)):
        for k, (with_result, empty) in scores.items():
            own = text["candidates"][k]
            if empty is not None and min(losses[own["token"]], empty) - with_result >= own["tau_f"]:
                kept.append((index, own["tool"], own["token"], own["args"]))
    return sorted(kept)


def summary(texts, results):
    """A result: losses by position, p by tool and position, {candidate's number: [loss with result, loss without]}."""
    gathered = {}
    for text, result in zip(texts, results):
        for key, values in differences(text, *result).items():
            gathered.setdefault(key, []).extend(values)
    return {"kept": kept_by(texts, results),
            "differences": {key: {"n": len(v), "mean": statistics.fmean(v) if v else 0, "most": max(v, default=0)}
                            for key, v in gathered.items()}}


def show_differences(name, row):
    print(f"{name}: " + ", ".join(f"{key} differs by {d['mean']:.4f} (most {d['most']:.4f}, n {d['n']})"
                                  for key, d in row["differences"].items()))


def show_kept_alone(name, row, ours):
    """ours: the kept calls of our run, by text, tool, token and arguments."""
    for call in sorted({tuple(x) for x in row["kept"]} ^ {tuple(x) for x in ours}):
        print(f"  kept by one alone (ours or {name}): {call}")
