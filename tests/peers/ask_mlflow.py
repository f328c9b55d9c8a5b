"""Asks MLflow, over SQLite in a file, what the benchmark of the answers asks Lineal.

python ask_mlflow.py history.csv store.sqlite numbers.json

Loads the synthetic history through MLflow's own client: a run for each run, a logged model for what it made, a dataset input for
each thing that it used. Then asks as its users can: a model's data are its run's dataset inputs, hop by hop, where a dataset's name
leads to the model that it is; a snapshot's models are the runs that a search by the dataset's digest finds, with their outputs.
"""

import json
import logging
import os
import sys
import time

from history import History, measure
from mlflow.entities import Dataset, DatasetInput, LoggedModelOutput
from mlflow.tracking import MlflowClient

logging.getLogger("alembic").setLevel(logging.ERROR)


def load(client, experiment, history):
    """Puts all of it; gives the models by artifact, and the runs by model."""
    models = {}
    for number, job, output, inputs in history.runs:
        run = client.create_run(experiment, run_name=f"run-{number}", tags={"job": job})
        used = [Dataset(f"artifact-{one}", str(one), "local", f"s3://lake/made/{one}") for one in inputs]
        model = client.create_logged_model(experiment, name=f"artifact-{output}", source_run_id=run.info.run_id)
        client.log_inputs(run.info.run_id, datasets=[DatasetInput(one) for one in used])
        client.log_outputs(run.info.run_id, models=[LoggedModelOutput(model.model_id, step=0)])
        client.set_terminated(run.info.run_id)
        models[output] = model.model_id
    return models


def main():
    history_path, store_path, numbers_path = sys.argv[1:]
    history = History(history_path)
    client = MlflowClient(f"sqlite:///{store_path}")
    experiment = client.create_experiment("history")
    begin = time.perf_counter()
    models = load(client, experiment, history)
    os.sync()
    numbers = {"runs": len(history.runs), "loadSeconds": time.perf_counter() - begin}
    numbers["bytes"] = os.path.getsize(store_path)

    def upstream(artifact):
        """All data of a model, level by level."""
        seen, waiting, hops = set(), [artifact], 0
        while waiting:
            model = models.get(waiting.pop())
            if model is None:
                continue
            run = client.get_run(client.get_logged_model(model).source_run_id)
            for used in run.inputs.dataset_inputs:
                hops += 1
                name = int(used.dataset.digest)
                if name not in seen:
                    seen.add(name)
                    waiting.append(name)
        return len(seen), hops

    def downstream(artifact):
        """All models of a snapshot, one hop."""
        found, token = 0, None
        while True:
            query = f"dataset.digest = '{artifact}'"
            page = client.search_runs([experiment], filter_string=query, max_results=1000, page_token=token)
            for run in page:
                found += sum(client.get_logged_model(made.model_id) is not None for made in run.outputs.model_outputs)
            token = page.token
            if not token:
                return found, found

    numbers["trace"] = measure(upstream, history.deep[::50])
    numbers["impact, one hop"] = measure(downstream, [history.hot] * 3)
    with open(numbers_path, "w", encoding="ascii") as file:
        json.dump(numbers, file, indent=1)


main()
