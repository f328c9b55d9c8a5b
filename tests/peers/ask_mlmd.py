"""Asks ML Metadata, over SQLite in a file, what the benchmark of the answers asks Lineal.

python ask_mlmd.py history.csv store.sqlite numbers.json

Loads the synthetic history (an execution a run with the settings that Lineal's events say of it, an artifact a snapshot and an
output, an event an edge), then asks in-process, through its own client, in several ways: one hop, level by level with all ids of a
level in one call, and by its own subgraph query. Level by level both with the runs, which is what Lineal answers, and without them:
then it is known that a run was there, and not which.
"""

import json
import os
import sys
import time

from history import History, measure
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

BATCH = 10_000


def connect(path):
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = path
    config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    return metadata_store.MetadataStore(config)


def batches(items):
    for begin in range(0, len(items), BATCH):
        yield items[begin : begin + BATCH]


def load(store, history):
    """Puts all of it, 10,000 at a time; gives the ids by artifact."""
    data = pb.ArtifactType(name="artifact", properties={"digest": pb.STRING})
    data.id = store.put_artifact_type(data)
    settings = {"learningRate": pb.DOUBLE, "depth": pb.INT, "epochs": pb.INT, "numpy": pb.INT, "torch": pb.INT}
    run_type = pb.ExecutionType(name="run", properties={"job": pb.STRING, "commit": pb.STRING, **settings})
    run_type.id = store.put_execution_type(run_type)
    ids = {}
    for part in batches(history.artifacts):
        made = []
        for artifact in part:
            one = pb.Artifact(type_id=data.id, uri=f"s3://lake/made/{artifact}")
            one.properties["digest"].string_value = f"artifact {artifact}"
            made.append(one)
        ids.update(zip(part, store.put_artifacts(made)))
    for part in batches(history.runs):
        made = []
        for number, job, _output, _inputs in part:
            one = pb.Execution(type_id=run_type.id, name=f"run-{number}", last_known_state=pb.Execution.COMPLETE)
            one.properties["job"].string_value = job
            one.properties["commit"].string_value = f"{number:040x}"
            one.properties["learningRate"].double_value = 0.001
            for name, value in (("depth", 6), ("epochs", 10), ("numpy", number), ("torch", 42)):
                one.properties[name].int_value = value
            made.append(one)
        events = []
        for execution, (_number, _job, output, inputs) in zip(store.put_executions(made), part):
            for used in inputs:
                events.append(pb.Event(artifact_id=ids[used], execution_id=execution, type=pb.Event.INPUT))
            events.append(pb.Event(artifact_id=ids[output], execution_id=execution, type=pb.Event.OUTPUT))
        store.put_events(events)
    return ids


def one_step(store, artifacts, onwards, with_runs=False):
    """From artifacts over runs to artifacts; upstream, or downstream with `onwards`. Gives ids, and how many edges."""
    first, second = (pb.Event.INPUT, pb.Event.OUTPUT) if onwards else (pb.Event.OUTPUT, pb.Event.INPUT)
    events = store.get_events_by_artifact_ids(artifacts)
    runs = list({event.execution_id for event in events if event.type == first})
    if not runs:
        return set(), 0
    edges = [event for event in store.get_events_by_execution_ids(runs) if event.type == second]
    found = {event.artifact_id for event in edges}
    store.get_artifacts_by_id(list(found))
    if with_runs:
        store.get_executions_by_id(runs)
    return found, len(edges)


def level_by_level(store, artifact, onwards, with_runs=True):
    seen, open_ids, hops = {artifact}, [artifact], 0
    while open_ids:
        found, edges = one_step(store, open_ids, onwards, with_runs)
        hops += edges
        open_ids = list(found - seen)
        seen |= found
    return len(seen) - 1, hops


def subgraph(store, artifact, onwards):
    direction = pb.LineageSubgraphQueryOptions.DOWNSTREAM if onwards else pb.LineageSubgraphQueryOptions.UPSTREAM
    options = pb.LineageSubgraphQueryOptions(
        starting_artifacts=pb.LineageSubgraphQueryOptions.StartingNodes(filter_query=f"id = {artifact}"),
        max_num_hops=40,
        direction=direction,
    )
    graph = store.get_lineage_subgraph(options)
    wanted = pb.Event.OUTPUT if onwards else pb.Event.INPUT
    return len(graph.artifacts) - 1, sum(event.type == wanted for event in graph.events)


def main():
    history_path, store_path, numbers_path = sys.argv[1:4]
    store = connect(store_path)
    # It is asked by another process than the one that loaded it, as Lineal is.
    if sys.argv[4:] == ["load"]:
        history = History(history_path)
        begin = time.perf_counter()
        ids = load(store, history)
        os.sync()
        numbers = {"runs": len(history.runs), "loadSeconds": time.perf_counter() - begin}
        numbers["bytes"] = os.path.getsize(store_path)
        numbers["deep"], numbers["hot"] = [ids[model] for model in history.deep], ids[history.hot]
        with open(numbers_path, "w", encoding="ascii") as file:
            json.dump(numbers, file)
        return
    with open(numbers_path, encoding="ascii") as file:
        numbers = json.load(file)
    deep, hot = numbers.pop("deep"), numbers.pop("hot")

    def one_hop(artifact, onwards):
        found, edges = one_step(store, [artifact], onwards)
        return len(found), edges

    numbers["one hop"] = measure(lambda model: one_hop(model, False), deep)
    numbers["trace"] = measure(lambda model: level_by_level(store, model, False), deep)
    numbers["trace, without runs"] = measure(lambda model: level_by_level(store, model, False, False), deep)
    numbers["trace, subgraph"] = measure(lambda model: subgraph(store, model, False), deep[::50])
    numbers["impact"] = measure(lambda data: level_by_level(store, data, True), [hot] * 5)
    numbers["impact, without runs"] = measure(lambda data: level_by_level(store, data, True, False), [hot] * 5)
    numbers["impact, one hop"] = measure(lambda data: one_hop(data, True), [hot] * 5)
    numbers["impact, subgraph"] = measure(lambda data: subgraph(store, data, True), [hot])
    with open(numbers_path, "w", encoding="ascii") as file:
        json.dump(numbers, file, indent=1)


main()
