"""Models are measured on the sets that come with packages, and what has none is named."""

from bench.models import bench_models, lines


def test_models_are_measured_where_there_is_a_set_and_named_where_not() -> None:
    report = bench_models(None, 1, only=("lifetime value", "churn", "churn, contract", "next best action"))
    assert {figure.model for figure in report.figures} == {"lifetime value", "churn"}
    assert {missing.model for missing in report.missing} == {"churn, contract", "next best action"}
    told = "\n".join(lines(report))
    assert "not measured: no hillstrom/hillstrom.csv in --data" in told
    assert report.met, told
