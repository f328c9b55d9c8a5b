#!/bin/sh
# Asks Lineal, ML Metadata and MLflow the same questions about the same history, one after the other on this machine, and prints a
# table: see docs/PERFORMANCE.md.
#
#   tests/peers/run.sh [RUNS [RUNS_FOR_MLFLOW]]
#
# ML Metadata and MLflow are installed into environments of their own below target/peers; nothing else of the machine is changed.
# A million runs take some twenty minutes and 5 GB. MLflow's client takes 40 ms to put a run, so it gets a smaller history.
set -eu
runs=${1:-1000000}
mlflow_runs=${2:-3000}
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
work=$PWD/target/peers
mkdir -p "$work"

environment() {
    if [ ! -x "$work/$1/bin/python" ]; then
        python3 -m venv "$work/$1"
    fi
    "$work/$1/bin/pip" install --quiet --requirement "$here/$1.txt"
}
environment mlmd
environment mlflow

for count in "$runs" "$mlflow_runs"; do
    cargo run --quiet --release -p lineal-tests --example history -- "$count" > "$work/history-$count.csv"
done
rm -f "$work"/*.sqlite
"$work/mlflow/bin/python" "$here/ask_mlflow.py" "$work/history-$mlflow_runs.csv" "$work/mlflow.sqlite" "$work/mlflow.json"
"$work/mlmd/bin/python" "$here/ask_mlmd.py" "$work/history-$runs.csv" "$work/mlmd.sqlite" "$work/mlmd.json" load
"$work/mlmd/bin/python" "$here/ask_mlmd.py" "$work/history-$runs.csv" "$work/mlmd.sqlite" "$work/mlmd.json"
cargo bench -p lineal-tests --bench answers -- --runs "$runs" --json "$work/lineal.json"
python3 "$here/table.py" "$work"
rm -f "$work"/*.sqlite "$work"/history-*.csv
