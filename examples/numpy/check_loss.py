#!/usr/bin/env python3
"""Checks `./infonce loss` against NumPy in float64: every loss, similarity and temperature, on every device named.

Usage: check_loss.py [--device java --device cpu] [--tolerance 1e-5]
Prints a line for each loss with the worst relative error of loss, temperature gradient and gradients, and exits 1 if any
is over the tolerance. Devices cuda and emulated have the bounds of the CUDA kernels where those are wider: relative
2e-5 * 0.01 / tau times 1 + loss of the loss, 5e-5 * 0.01 / tau of gradients. Written from the formulas alone; it shares
nothing with the library.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIMILARITIES = ["cosine", "dot", "neg-squared-euclidean", "neg-euclidean"]
DISTANCES = ["euclidean", "squared-euclidean", "cosine"]
TEMPERATURES = [1.0, 0.5, 0.07, 0.01]
# At which no loss of these rows is 0, nor one negative all there is.
MODERATE = {"cosine": 0.07, "dot": 10.0, "neg-squared-euclidean": 20.0, "neg-euclidean": 2.0}
MININGS = ["batch-all", "batch-hard", "semi-hard", "easy-positive", "batch-easy"]
# Of a sample; what devices share is then seen with all similarities.
HALVES = {"java": 0, "emulated": 0, "cpu": 1, "cuda": 1}


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def similarity_and_gradient(kind, x, y):
    """s[...], ds/dx, ds/dy of broadcast rows."""
    if kind == "dot":
        return (x * y).sum(-1), y + 0 * x, x + 0 * y
    if kind == "cosine":
        nx, ny = np.linalg.norm(x, axis=-1, keepdims=True), np.linalg.norm(y, axis=-1, keepdims=True)
        ux, uy = x / nx, y / ny
        s = (ux * uy).sum(-1)
        return s, (uy - s[..., None] * ux) / nx, (ux - s[..., None] * uy) / ny
    difference = x - y
    square = (difference**2).sum(-1)
    if kind == "neg-squared-euclidean":
        return -square, -2 * difference, 2 * difference
    root = np.sqrt(square)
    direction = np.divide(difference, root[..., None], out=np.zeros_like(difference), where=root[..., None] > 0)
    return -root, -direction, direction


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def softmax_rows(positive, negatives, tau):
    """Row losses and their gradient by the similarities, the positive kept out of the sum so that nothing cancels.

    positive: [n]; negatives: [n, m], -inf where a column is no negative.
    """
    peak = negatives.max(1)
    shifted = np.exp((negatives - peak[:, None]) / tau)
    margin = peak / tau + np.log(shifted.sum(1)) - positive / tau
    wrong = sigmoid(margin)
    share = shifted / shifted.sum(1, keepdims=True)
    return softplus(margin), -wrong / tau, wrong[:, None] * share / tau


def pull_back(kind, x, y, g):
    """Gradients of sum g_ij s(x_i, y_j) by x and y, row by row to bound memory."""
    dx, dy = np.zeros_like(x), np.zeros_like(y)
    for i in range(len(x)):
        _, by_x, by_y = similarity_and_gradient(kind, x[i][None, :], y)
        dx[i] = (g[i][:, None] * by_x).sum(0)
        dy += g[i][:, None] * by_y
    return dx, dy


def all_similarities(kind, x, y):
    return np.stack([similarity_and_gradient(kind, row[None, :], y)[0] for row in x])


def with_tau(g, s, tau):
    """dL/dtau = -sum (dL/ds) s / tau, since L depends on s / tau alone."""
    finite = g != 0
    return -(g[finite] * s[finite]).sum() / tau


def infonce(kind, q, k, tau):
    n = len(q)
    s = all_similarities(kind, q, k)
    others = np.where(np.eye(n, len(k), dtype=bool), -np.inf, s)
    losses, to_positive, g = softmax_rows(np.diagonal(s)[:n], others, tau)
    g[np.arange(n), np.arange(n)] = to_positive
    return losses, s, g


def log_sum(z):
    """ln of the sum of e^z of each row, -inf where there is nothing."""
    peak = np.maximum(z.max(1, initial=-np.inf), -1e300)
    with np.errstate(divide="ignore"):
        return peak + np.log(np.exp(z - peak[:, None]).sum(1))


def joint(kind, q, k, tau, data):
    """InfoNCE with whatever else is in a row's one sum, or left out of it: loss, dL/dtau, and the gradients."""
    n = len(q)
    keys = np.concatenate([k, data["queue"].astype(np.float64)]) if "queue" in data else k
    groups, key_groups = data.get("groups"), data.get("key-groups")
    d = {"q": np.zeros_like(q), "k": np.zeros_like(keys)}

    def same(a, b):
        if groups is None:
            return np.zeros((n, 1), dtype=bool)
        return (a[:, None] == b[None, :]) & (a[:, None] >= 0)

    def pairs(of_x, x, of_y, y, absent):
        def back(g):
            dx, dy = pull_back(kind, x, y, g)
            d[of_x][:len(x)] += dx
            d[of_y][:len(y)] += dy
        return all_similarities(kind, x, y), absent | np.eye(n, len(y), dtype=bool), back

    first = None if key_groups is None else key_groups[:n]
    parts = [pairs("q", q, "k", keys, same(groups, key_groups))]
    makers = {"query-query": lambda: pairs("q", q, "q", q, same(groups, groups)),
              "key-query": lambda: pairs("k", k[:n], "q", q, same(first, groups)),
              "key-key": lambda: pairs("k", k[:n], "k", k[:n], same(first, first))}
    parts += [makers[block]() for block in data.get("blocks", ())]
    if "negatives" in data:
        own = data["negatives"].astype(np.float64)
        s, by_q, by_own = similarity_and_gradient(kind, q[:, None, :], own)

        def back_to_own(g):
            d["q"] += (g[..., None] * by_q).sum(1)
            d["own"] = g[..., None] * by_own
        parts.append((s, np.zeros(s.shape, dtype=bool), back_to_own))

    positive = np.diagonal(parts[0][0])[:n]
    s = np.concatenate([part[0] for part in parts], axis=1)
    absent = np.concatenate([np.broadcast_to(part[1], part[0].shape) for part in parts], axis=1)
    if "threshold" in data:
        name, by = data["threshold"]
        limit = positive - by * (np.abs(positive) if name == "relative" else 1)
        absent = absent | (s > limit[:, None])
    offsets = np.zeros(s.shape[1])
    if "key-offsets" in data:
        offsets[:len(keys)] = data["key-offsets"]
    # What is not differentiated: neither with s, nor with tau.
    constant = offsets + data.get("hardness", 0.0) * s
    z = np.where(absent, -np.inf, s / tau + constant)
    margin = data.get("positive-margin", 0.0)
    own_z = (positive - margin) / tau + offsets[:n]
    count = (~absent).sum(1)
    odds = log_sum(z) - own_z
    share = np.exp(z - log_sum(z)[:, None])
    floor = np.zeros(n)  # what a clamped row moves with tau beside its positive
    if data.get("decoupled"):
        losses, wrong, mass = odds, np.ones(n), np.ones(n)
    elif "class-prior" in data:
        prior = data["class-prior"]
        corrected = (np.exp(odds) - prior * count) / (1 - prior)
        least = count * np.exp((-1 - positive + margin) / tau)
        on = corrected > least
        r = np.where(on, corrected, least)
        losses = np.log1p(r)
        mass = np.where(on, np.exp(odds) / (1 - prior) / (1 + r), 0)
        wrong = np.where(on, mass, r / (1 + r))
        floor = np.where(on, 0, r / (1 + r) / tau**2)
    else:
        losses = softplus(odds)
        wrong = mass = sigmoid(odds)
    g = mass[:, None] * share / tau / n
    to_positive = -wrong / tau / n
    d_tau = with_tau(g, s, tau) + with_tau(to_positive, positive - margin, tau) + floor.sum() / n
    at = 0
    for part in parts:
        width = part[0].shape[1]
        of_part = g[:, at:at + width].copy()
        if at == 0:
            of_part[np.arange(n), np.arange(n)] += to_positive
        part[2](of_part)
        at += width
    return losses.mean(), d_tau, d["q"], d["k"][:len(k)], d.get("own")


def labelled(kind, x, y, tau, data):
    """Several positives by labels: outside, inside or sum."""
    tower = y is None
    labels = data["row-labels"]
    key_labels = labels if tower else data["key-labels"]
    s = all_similarities(kind, x, x if tower else y)
    compared = ~np.eye(*s.shape, dtype=bool) if tower else np.ones(s.shape, dtype=bool)
    positive = (labels[:, None] == key_labels[None, :]) & (labels[:, None] >= 0) & compared
    negative = compared & ~positive
    positives, negatives = positive.sum(1), negative.sum(1)
    decoupled = data.get("decoupled", False)
    counted = (positives > 0) & (~decoupled | (negatives > 0))
    valid = (positives > 0) & (negatives > 0)
    shifted = s - data.get("positive-margin", 0.0) * positive
    z = shifted / tau
    in_denominator = negative if decoupled else compared
    bottom = log_sum(np.where(in_denominator, z, -np.inf))
    top = log_sum(np.where(positive, z, -np.inf))
    targets = positive / np.maximum(positives, 1)[:, None]

    def softmax(among, sums):
        return np.exp(np.where(among & valid[:, None], z - np.where(valid, sums, 0)[:, None], -np.inf))

    aggregation = data.get("aggregation", "outside")
    losses = bottom - ((targets * z).sum(1) if aggregation == "outside" else top)
    if aggregation == "inside":
        losses = losses + np.log(np.maximum(positives, 1))
    pull = targets * valid[:, None] if aggregation == "outside" else softmax(positive, top)
    g = (softmax(in_denominator, bottom) - pull) / tau / counted.sum()
    dx, dy = pull_back(kind, x, x if tower else y, g)
    return (np.where(valid, losses, 0).sum() / counted.sum(), with_tau(g, shifted, tau),
            dx + dy if tower else dx, None if tower else dy, None)


def chosen(mining, d, positives, negatives):
    """The triplets of an anchor with distances d: its positives and negatives, index by index."""
    def first(among, best):
        return among[best(d[among])]  # argmin and argmax take the first

    if mining == "batch-all":
        return [(p, n) for p in positives for n in negatives]
    if mining == "semi-hard":
        farther = [(p, negatives[d[negatives] > d[p]]) for p in positives]
        return [(p, first(f, np.argmin) if len(f) else first(negatives, np.argmax)) for p, f in farther]
    hard_positive, hard_negative = mining == "batch-hard", mining != "batch-easy"
    return [(first(positives, np.argmax if hard_positive else np.argmin),
             first(negatives, np.argmin if hard_negative else np.argmax))]


def mined(distance, x, labels, mining, margin, soft):
    """Mean loss over triplets, for all of them only those that cost something, and its gradient."""
    total, count, gradient = 0.0, 0, np.zeros_like(x)
    for a in np.flatnonzero(labels >= 0):
        d, by_a, by_other = distance(x[a][None, :], x)
        positives = np.flatnonzero((labels == labels[a]) & (np.arange(len(x)) != a))
        negatives = np.flatnonzero(labels != labels[a])
        if len(positives) == 0 or len(negatives) == 0:
            continue
        for p, n in chosen(mining, d, positives, negatives):
            excess = d[p] - d[n] + margin
            slope = sigmoid(excess) if soft else float(excess > 0)
            total += softplus(excess) if soft else max(0.0, excess)
            count += 1 if soft or mining != "batch-all" else int(excess > 0)
            gradient[a] += slope * (by_a[p] - by_a[n])
            gradient[p] += slope * by_other[p]
            gradient[n] -= slope * by_other[n]
    return total / max(count, 1), gradient / max(count, 1)


def weighed(case, kind, x, data):
    """Multi-similarity or circle: the mean loss of one tower's pairs by labels, and its gradient."""
    labels = data["row-labels"]
    s = all_similarities(kind, x, x)
    same = (labels[:, None] == labels[None, :]) & (labels[:, None] >= 0)
    positive = same & ~np.eye(len(x), dtype=bool)
    negative = ~same & (labels[:, None] >= 0) & ~np.eye(len(x), dtype=bool)

    def of_class(among, z):
        """ln of the sum of e^z of each row, and the share of each z in it."""
        z = np.where(among, z, -np.inf)
        log = log_sum(z)
        return log, np.where(among, np.exp(z - np.where(np.isfinite(log), log, 0)[:, None]), 0)

    if case == "multi-similarity":
        a, b = data["positive-scale"], data["negative-scale"]
        of_positives, share_of_positives = of_class(positive, -a * (s - data["base"]))
        of_negatives, share_of_negatives = of_class(negative, b * (s - data["base"]))
        losses = softplus(of_positives) / a + softplus(of_negatives) / b
        g = (sigmoid(of_negatives)[:, None] * share_of_negatives - sigmoid(of_positives)[:, None] * share_of_positives)
        counted = np.ones(len(x), dtype=bool)
    else:
        m, scale = data["margin"], data["scale"]
        below, above = np.maximum(0, 1 + m - s), np.maximum(0, s + m)
        of_positives, share_of_positives = of_class(positive, -scale * below * (s - 1 + m))
        of_negatives, share_of_negatives = of_class(negative, scale * above * (s - m))
        counted = positive.any(1) & negative.any(1)
        together = np.where(counted, of_positives + of_negatives, -np.inf)
        losses = softplus(together)
        by_positive = scale * ((s < 1 + m) * (s - 1 + m) - below)
        by_negative = scale * ((s > -m) * (s - m) + above)
        g = sigmoid(together)[:, None] * (share_of_positives * by_positive + share_of_negatives * by_negative)
        g[~counted] = 0
    dx, dy = pull_back(kind, x, x, g / counted.sum())
    return losses[counted].mean(), 0.0, dx + dy, None, None


def reference(case, kind, tau, data):
    q, k, negatives = (None if data.get(name) is None else data[name].astype(np.float64)
                       for name in ("queries", "keys", "negatives"))
    n = len(q)
    if case.startswith("joint"):
        return joint(kind, q, k, tau, data)
    if case in ("multi-similarity", "circle"):
        return weighed(case, kind, q, data)
    if case.startswith("supcon"):
        return labelled(kind, q, k, tau, data)
    if case in ("infonce", "infonce-more-keys"):
        losses, s, g = infonce(kind, q, k, tau)
        g = g / n
        dq, dk = pull_back(kind, q, k, g)
        return losses.mean(), with_tau(g, s, tau), dq, dk, None
    if case == "symmetric":
        rows, s, g_rows = infonce(kind, q, k, tau)
        columns, _, g_columns = infonce(kind, k, q, tau)
        g = (g_rows + g_columns.T) / (2 * n)
        dq, dk = pull_back(kind, q, k, g)
        return (rows.mean() + columns.mean()) / 2, with_tau(g, s, tau), dq, dk, None
    if case == "siglip":
        m = len(k)
        s = all_similarities(kind, q, k)
        labels = 2 * np.eye(n, m) - 1
        logits = labels * (s / tau + data["bias"])
        by_logit = -labels * sigmoid(-logits) / n
        dq, dk = pull_back(kind, q, k, by_logit / tau)
        return softplus(-logits).sum() / n, with_tau(by_logit / tau, s, tau), dq, dk, None, by_logit.sum()
    if case in ("infonce-shared", "infonce-own"):
        positive, by_q, by_k = similarity_and_gradient(kind, q, k)
        own = negatives if case == "infonce-own" else np.broadcast_to(negatives, (n, *negatives.shape))
        s, by_q_n, by_negative = similarity_and_gradient(kind, q[:, None, :], own)
        losses, to_positive, g = softmax_rows(positive, s, tau)
        to_positive, g = to_positive / n, g / n
        dq = to_positive[:, None] * by_q + (g[..., None] * by_q_n).sum(1)
        dn = g[..., None] * by_negative
        return (losses.mean(), with_tau(g, s, tau) + with_tau(to_positive, positive, tau), dq,
                to_positive[:, None] * by_k, dn if case == "infonce-own" else dn.sum(0))
    if case in ("kl-distillation", "margin-mse"):
        candidates = np.concatenate([k[:, None, :], negatives], axis=1)
        s, by_q, by_candidate = similarity_and_gradient(kind, q[:, None, :], candidates)
        t = data["teacher-scores"].astype(np.float64)
        if case == "kl-distillation":
            log_p, log_q = t - log_sum(t)[:, None], s / tau - log_sum(s / tau)[:, None]
            losses = (np.exp(log_p) * (log_p - log_q)).sum(1)
            g = (np.exp(log_q) - np.exp(log_p)) / tau / n
            to_tau = with_tau(g, s, tau)
        else:
            missing = (s[:, :1] - s[:, 1:]) - (t[:, :1] - t[:, 1:])
            losses, to_tau = (missing**2).mean(1), 0.0
            g = 2 * np.concatenate([missing.sum(1, keepdims=True), -missing], axis=1) / missing.size
        by_candidate = g[..., None] * by_candidate
        return losses.mean(), to_tau, (g[..., None] * by_q).sum(1), by_candidate[:, 0], by_candidate[:, 1:]
    if case.startswith(("ntxent", "nt-logistic-tower")):
        tower = q if k is None else np.concatenate([q, k])
        t = len(tower)
        s = all_similarities(kind, tower, tower)
        partner = (np.arange(t) + t // 2) % t
        negative = ~np.eye(t, dtype=bool)
        negative[np.arange(t), partner] = False
        positive = s[np.arange(t), partner]
        if case.startswith("ntxent"):
            losses, to_positive, g = softmax_rows(positive, np.where(negative, s, -np.inf), tau)
        else:
            losses = softplus(-positive / tau) + np.where(negative, softplus(s / tau), 0).sum(1) / (t - 2)
            to_positive = -sigmoid(-positive / tau) / tau
            g = np.where(negative, sigmoid(s / tau), 0) / (t - 2) / tau
        g[np.arange(t), partner] = to_positive
        g = g / t
        dx, dy = pull_back(kind, tower, tower, g)
        both = dx + dy
        if k is None:
            return losses.mean(), with_tau(g, s, tau), both, None, None
        return losses.mean(), with_tau(g, s, tau), both[:n], both[n:], None
    if case == "nt-logistic-triples":
        sp, sp_q, sp_k = similarity_and_gradient(kind, q, k)
        sn, sn_q, sn_n = similarity_and_gradient(kind, q, negatives)
        losses = softplus(-sp / tau) + softplus(sn / tau)
        gp, gn = -sigmoid(-sp / tau) / tau / n, sigmoid(sn / tau) / tau / n
        return (losses.mean(), with_tau(gp, sp, tau) + with_tau(gn, sn, tau),
                gp[:, None] * sp_q + gn[:, None] * sn_q, gp[:, None] * sp_k, gn[:, None] * sn_n)
    negated = {"euclidean": "neg-euclidean", "squared-euclidean": "neg-squared-euclidean", "cosine": "cosine"}[kind]
    offset = 1.0 if kind == "cosine" else 0.0
    margin = data["margin"]

    def distance(x, y):
        s, by_x, by_y = similarity_and_gradient(negated, x, y)
        return offset - s, -by_x, -by_y

    if case.startswith("mined"):
        loss, dq = mined(distance, q, data["row-labels"], data["mining"], margin, data["soft"])
        return loss, 0.0, dq, None, None
    d, by_q, by_k = distance(q, k)
    if case == "contrastive":
        alike = data["labels"] == 1
        losses = np.where(alike, d**2 / 2, np.maximum(0, margin - d) ** 2 / 2)
        g = np.where(alike, d, -np.maximum(0, margin - d)) / n
        return losses.mean(), 0.0, g[:, None] * by_q, g[:, None] * by_k, None
    dn, by_q_n, by_n = distance(q, negatives)
    excess = d - dn + margin
    active = (sigmoid(excess) if data.get("soft") else excess > 0) / n
    losses = softplus(excess) if data.get("soft") else np.maximum(0, excess)
    return (losses.mean(), 0.0, active[:, None] * (by_q - by_q_n), active[:, None] * by_k, -active[:, None] * by_n)


def relative(got, want):
    """Norm-wise, beyond the rounding that the element type cannot avoid near its smallest number."""
    got, want = np.asarray(got), np.asarray(want, np.float64)
    smallest = np.finfo(got.dtype).smallest_subnormal.astype(np.float64) / 2
    error = max(0.0, np.linalg.norm(got.astype(np.float64) - want) - smallest * np.sqrt(want.size))
    size = np.linalg.norm(want)
    return error / size if size > 0 else error


def run(arguments, data, folder, device):
    command = [str(ROOT / "infonce"), "loss", "--device", device, "--json", "--gradients", str(folder), *arguments]
    for name in ("queries", "keys", "negatives", "labels", "row-labels", "key-labels", "groups", "key-groups", "queue",
                 "key-offsets", "teacher-scores"):
        if data.get(name) is not None:
            np.save(folder / f"{name}.npy", data[name])
            command += [f"--{name}", str(folder / f"{name}.npy")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nexit {done.returncode}\n{done.stdout}{done.stderr}")
    gradients = {}
    for name in ("queries", "keys", "negatives"):
        if data.get(name) is not None:
            gradients[name] = np.load(folder / f"d{name.capitalize()}.npy")
            assert gradients[name].shape == data[name].shape, (name, gradients[name].shape)
            assert gradients[name].dtype == data[name].dtype, (name, gradients[name].dtype)
    return json.loads(done.stdout), gradients


def check(case, kind, tau, data, device, extra):
    with tempfile.TemporaryDirectory() as folder:
        got, gradients = run(extra, data, pathlib.Path(folder), device)
    loss, d_temperature, dq, dk, dn, *d_bias = reference(case, kind, tau, data)
    errors = {"loss": relative(float(got["loss"]), loss),
              "dTemperature": relative(float(got["dTemperature"]), d_temperature)}
    if d_bias:
        errors["dBias"] = relative(float(got["dBias"]), d_bias[0])
    for name, want in (("queries", dq), ("keys", dk), ("negatives", dn)):
        if want is not None:
            errors[f"d{name.capitalize()}"] = relative(gradients[name], want)
    return loss, errors


def times_bound(errors, device, tau, loss, tolerance):
    """The largest error as a multiple of its bound."""
    hundredths = 0.01 / tau if tau and device in ("cuda", "emulated") else 0.0
    bounds = {name: max(tolerance, 5e-5 * hundredths) for name in errors}
    bounds["loss"] = max(tolerance, 2e-5 * hundredths * (1 + abs(loss)))
    return max(error / bounds[name] if np.isfinite(error) else np.inf for name, error in errors.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", action="append", choices=list(HALVES))
    parser.add_argument("--tolerance", type=float, default=1e-5)
    parser.add_argument("--temperature", action="append", type=float, help="may be repeated; default: 1, 0.5, 0.07, 0.01")
    parser.add_argument("--sample", action="store_true",
                        help="each case at one temperature: 0.07, and where positives are so near that losses are tiny 0.01, "
                             "there with cosine and dot only; every other similarity, on cpu and cuda those that java and "
                             "emulated leave out")
    parser.add_argument("--only", help="a case by name")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    options = parser.parse_args()
    generator = np.random.default_rng(20261124)
    n, m, dim = 37, 53, 48

    def rows(count, *more):
        return generator.standard_normal((count, *more, dim)).astype(options.dtype)

    def near(x, amount):
        return (x + amount * generator.standard_normal(x.shape)).astype(options.dtype)

    q = rows(n)
    cases = []
    turn = 0
    for noise in (0.7, 0.02):
        views = {"infonce": {"queries": q, "keys": near(q, noise)},
                 "infonce-more-keys": {"queries": q, "keys": np.concatenate([near(q, noise), rows(m - n)])},
                 "infonce-shared": {"queries": q, "keys": near(q, noise), "negatives": rows(m)},
                 "infonce-own": {"queries": q, "keys": near(q, noise), "negatives": rows(n, 11)},
                 "symmetric": {"queries": q, "keys": near(q, noise)},
                 "ntxent-one-matrix": {"queries": np.concatenate([q, near(q, noise)])},
                 "ntxent-two-views": {"queries": q, "keys": near(q, noise)},
                 "nt-logistic-tower": {"queries": np.concatenate([q, near(q, noise)])},
                 "nt-logistic-tower-two-views": {"queries": q, "keys": near(q, noise)},
                 "nt-logistic-triples": {"queries": q, "keys": near(q, noise), "negatives": rows(n)},
                 "siglip": {"queries": q, "keys": np.concatenate([near(q, noise), rows(m - n)]), "bias": -3.0}}
        for case, data in views.items():
            loss = {"symm": "symmetric", "ntxe": "ntxent", "nt-l": "nt-logistic", "sigl": "siglip"}.get(case[:4], "infonce")
            turn += 1
            for kind in SIMILARITIES[:2] if options.sample and noise < 0.1 else SIMILARITIES:
                for tau in [0.07 if noise > 0.1 else 0.01] if options.sample else options.temperature or TEMPERATURES:
                    half = (turn + SIMILARITIES.index(kind)) % 2 if options.sample else None
                    cases.append((case, kind, tau, data, half,
                                  ["--loss", loss, "--temperature", repr(tau), "--similarity", kind]
                                  + (["--bias", repr(data["bias"])] if "bias" in data else [])))
    keys = np.concatenate([near(q, 0.7), rows(m - n)])
    towers = {"queries": q, "keys": keys}
    groups = {"groups": generator.integers(-1, 9, n), "key-groups": generator.integers(-1, 9, m)}
    every_block = ["query-query", "key-query", "key-key"]
    queue = rows(19)
    offsets = generator.uniform(-3, 3, m + len(queue)).astype(np.float32)
    family = {"joint-groups": {**towers, **groups},
              "joint-threshold": {**towers, "threshold": ("relative", 0.6), "positive-margin": 0.1},
              "joint-gte": {**towers, "blocks": every_block},
              "joint-qwen3": {**towers, **groups, "blocks": ["query-query", "key-key"], "negatives": rows(n, 4),
                              "threshold": ("absolute", 0.5)},
              "joint-own": {**towers, "negatives": rows(n, 3), "decoupled": True},
              "joint-hardness": {**towers, "hardness": 5.0, "negatives": rows(n, 2), "blocks": every_block},
              "joint-debiased": {**towers, "class-prior": 0.02},
              "joint-queue": {**towers, "queue": queue},
              "joint-offsets": {**towers, "queue": queue, "key-offsets": offsets, "negatives": rows(n, 2)}}
    of_queries, of_keys = generator.integers(-1, 7, n), generator.integers(-1, 7, m)
    family |= {"supcon": {"queries": q, "row-labels": of_queries},
               "supcon-inside": {**towers, "row-labels": of_queries, "key-labels": of_keys, "aggregation": "inside"},
               "supcon-sum": {**towers, "row-labels": of_queries, "key-labels": of_keys, "aggregation": "sum",
                              "decoupled": True, "positive-margin": 0.2}}
    for number, (case, data) in enumerate(family.items()):
        # Where rows are so near that a threshold or a prior decides by rounding, nothing can be compared.
        kinds = SIMILARITIES[:1] if {"threshold", "class-prior"} & data.keys() else SIMILARITIES
        extra = ["--loss", "supcon" if case.startswith("supcon") else "infonce"]
        for name in ("positive-margin", "class-prior", "hardness", "aggregation"):
            extra += [f"--{name}", str(data[name])] if name in data else []
        extra += ["--blocks", ",".join(data["blocks"])] if "blocks" in data else []
        extra += ["--exclude-above", "{}:{}".format(*data["threshold"])] if "threshold" in data else []
        extra += ["--denominator", "negatives"] if data.get("decoupled") else []
        extra += ["--own-negatives-too"] if "negatives" in data else []
        for kind in [kinds[number % len(kinds)]] if options.sample else kinds:
            for tau in [MODERATE[kind]] if options.sample else [MODERATE[kind], 7 * MODERATE[kind]]:
                cases.append((case, kind, tau, data, None, [*extra, "--temperature", repr(tau), "--similarity", kind]))
    for case, margin, more in (("contrastive", 6.0, "labels"), ("triplet", 2.0, "negatives")):
        for kind in DISTANCES:
            scaled = {"euclidean": margin, "squared-euclidean": margin * 8, "cosine": 0.9}[kind]
            data = {"queries": q, "keys": near(q, 0.7), "margin": scaled}
            data[more] = rows(n) if more == "negatives" else generator.integers(0, 2, n).astype(np.int64)
            cases.append((case, kind, None, data, None, ["--loss", case, "--margin", repr(scaled), "--distance", kind]))
            if case == "triplet":
                cases.append(("triplet-soft", kind, None, {**data, "soft": True}, None, [*cases[-1][-1], "--soft-margin"]))
    labels = generator.integers(-1, 5, n).astype(np.int64)
    tower = near(rows(5)[labels], 0.7)
    for mining in MININGS:
        for kind, margin in zip(DISTANCES, (2.0, 16.0, 0.5)):
            for soft in (False, True):
                data = {"queries": tower, "row-labels": labels, "margin": margin, "mining": mining, "soft": soft}
                cases.append((f"mined-{mining}", kind, None, data, None,
                              ["--loss", "triplet", "--mining", mining, "--margin", repr(margin), "--distance", kind,
                               *(["--soft-margin"] if soft else [])]))
    for kind, base in (("cosine", 0.5), ("neg-euclidean", -4.0), ("neg-squared-euclidean", -16.0)):
        pairs = {"queries": tower, "row-labels": labels}
        scales = {"positive-scale": 2.0, "negative-scale": 10.0, "base": base}
        cases.append(("multi-similarity", kind, None, {**pairs, **scales}, None,
                      ["--loss", "multi-similarity", "--similarity", kind,
                       *(word for name, value in scales.items() for word in (f"--{name}", repr(value)))]))
        cases.append(("circle", kind, None, {**pairs, "margin": 0.25, "scale": 16.0}, None,
                      ["--loss", "circle", "--similarity", kind, "--margin", "0.25", "--scale", "16.0"]))
    lists = {"queries": q, "keys": near(q, 0.7), "negatives": rows(n, 11),
             "teacher-scores": (2 * generator.standard_normal((n, 12))).astype(np.float32)}
    for kind in SIMILARITIES:
        tau = MODERATE[kind]
        cases.append(("kl-distillation", kind, tau, lists, None,
                      ["--loss", "kl-distillation", "--temperature", repr(tau), "--similarity", kind]))
        cases.append(("margin-mse", kind, None, lists, None, ["--loss", "margin-mse", "--similarity", kind]))
    failed = 0
    for device in options.device or ["java", "cpu"]:
        worst = {}
        for case, kind, tau, data, half, extra in cases:
            if options.only and case != options.only or half not in (None, HALVES[device]):
                continue
            loss, errors = check(case, kind, tau, data, device, extra)
            name, error = max(errors.items(), key=lambda item: item[1] if np.isfinite(item[1]) else np.inf)
            entry = worst.setdefault(case, [0.0, "", np.inf, 0])
            entry[2], entry[3] = min(entry[2], loss), entry[3] + 1
            if not times_bound(errors, device, tau, loss, options.tolerance) <= 1:
                failed += 1
                print(f"  FAIL {device} {case} {kind} tau={tau} loss={loss:.6g}: {errors}")
            if not error <= entry[0]:
                entry[0], entry[1] = error, f"{name}, {kind}, tau={tau}, loss {loss:.3g}"
        for case, (error, where, smallest, count) in worst.items():
            print(f"{device:5} {case:28} {count:3} runs, worst relative error {error:.2e} ({where}); smallest loss {smallest:.2e}")
    print(f"{failed} over their bounds, at least {options.tolerance:g}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
