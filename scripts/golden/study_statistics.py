"""Writes test/study/statistics.json: what SciPy says of a few small samples, for test/study/statistics.test.ts.

    python3 scripts/golden/study_statistics.py     (needs numpy and scipy; the file names the versions that made it)
"""
import json
import pathlib

import numpy
import scipy
from scipy import special, stats

CONFIDENCE, ALPHA = 0.95, 0.05
rng = numpy.random.default_rng(2020)


def interval(values):
    low, high = stats.t.interval(CONFIDENCE, len(values) - 1, loc=values.mean(), scale=stats.sem(values))
    return {"mean": values.mean(), "sd": values.std(ddof=1), "low": low, "high": high}


def paired(a, b, margin):
    """The two one-sided tests are t tests of shifted values with an alternative."""
    values = a - b
    above = stats.ttest_1samp(values, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(values, margin, alternative="less").pvalue
    return {
        **interval(values),
        "p": stats.ttest_rel(a, b).pvalue,
        "margin": margin,
        "tost": max(above, below),
    }


samples = []
for n in [2, 3, 3, 5, 10, 30]:
    a = numpy.round(rng.normal(92.0, 0.4, n), 3)
    b = numpy.round(a + rng.normal(rng.choice([0.0, -0.3, -2.0]), 0.2, n), 3)
    samples.append({"a": list(a), "b": list(b), "of_a": interval(a), **{"paired": paired(a, b, 0.5)}})

golden = {
    "made_with": f"numpy {numpy.__version__}, scipy {scipy.__version__}",
    "samples": samples,
    "quantiles": [
        {"p": p, "df": df, "t": stats.t.ppf(p, df)} for p in [0.05, 0.5, 0.9, 0.95, 0.975, 0.999] for df in [1, 2, 4, 29, 200]
    ],
    "tails": [{"t": t, "df": df, "p": stats.t.sf(t, df)} for t in [-3.0, 0.0, 0.5, 2.0, 12.0] for df in [1, 2, 4, 29, 200]],
    "beta": [
        {"x": x, "a": a, "b": b, "value": special.betainc(a, b, x)}
        for x in [0.001, 0.2, 0.5, 0.97]
        for a, b in [(0.5, 0.5), (1, 0.5), (14.5, 0.5), (2, 5), (100, 0.5)]
    ],
}
path = pathlib.Path(__file__).parents[2] / "test" / "study" / "statistics.json"
path.write_text(json.dumps(golden, indent=1, default=float) + "\n")
print(path)
