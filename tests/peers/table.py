"""Prints what was measured of Lineal and the peers as a table, with how many times faster Lineal is a hop."""

import json
import sys
from pathlib import Path


def main():
    work = Path(sys.argv[1])
    lineal, mlmd, mlflow = (json.loads((work / f"{name}.json").read_text()) for name in ("lineal", "mlmd", "mlflow"))
    upstream = {"Lineal": lineal["traceMicrosAHop"], "MLflow": mlflow["trace"]["microsAHop"]}
    upstream["ML Metadata"] = min(mlmd[way]["microsAHop"] for way in ("trace", "trace, subgraph"))
    downstream = {"Lineal": lineal["impactMicrosARun"], "MLflow": mlflow["impact, one hop"]["microsAHop"]}
    downstream["ML Metadata"] = min(mlmd[way]["microsAHop"] for way in ("impact", "impact, subgraph"))
    without = "ML Metadata, without the runs"
    upstream[without], downstream[without] = (mlmd[f"{way}, without runs"]["microsAHop"] for way in ("trace", "impact"))
    runs = {"Lineal": lineal["runs"], "ML Metadata": mlmd["runs"], without: mlmd["runs"], "MLflow": mlflow["runs"]}
    print("| | runs | model to all its data, a hop | data to all its models, a hop |")
    print("|---|---|---|---|")
    for name, count in runs.items():
        up, down = (times[name] for times in (upstream, downstream))
        ratios = (up / upstream["Lineal"], down / downstream["Lineal"])
        beside = "" if name == "Lineal" else " ({:.1f} times)"
        cells = [f"{time:.1f} us" + beside.format(ratio) for time, ratio in zip((up, down), ratios)]
        print(f"| {name} | {count:,} | {cells[0]} | {cells[1]} |")


main()
