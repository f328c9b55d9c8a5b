"""The synthetic history as `cargo run --example history` prints it, and how questions about it are timed."""

import time


class History:
    """Artifacts, runs with what they used and made, and what is asked about."""

    def __init__(self, path):
        self.artifacts, self.runs, self.deep, self.hot = [], [], [], None
        with open(path, encoding="ascii") as file:
            for line in file:
                kind, *rest = line.rstrip("\n").split(",")
                if kind == "snapshot":
                    self.artifacts.append(int(rest[0]))
                elif kind == "run":
                    number, job, output, inputs = rest
                    self.artifacts.append(int(output))
                    self.runs.append((int(number), job, int(output), [int(used) for used in inputs.split(";")]))
                elif kind == "deep":
                    self.deep.append(int(rest[0]))
                else:
                    self.hot = int(rest[0])


def measure(ask, asked):
    """Asks about each; `ask` gives how much it found and over how many edges. Times in milliseconds."""
    times, hops, found = [], 0, 0
    for artifact in asked:
        begin = time.perf_counter()
        more, edges = ask(artifact)
        times.append(time.perf_counter() - begin)
        hops += edges
        found += more
    times.sort()
    return {
        "p50Ms": times[len(times) // 2] * 1e3,
        "p99Ms": times[min(len(times) - 1, len(times) * 99 // 100)] * 1e3,
        "found": found / len(times),
        "hops": hops / len(times),
        "microsAHop": sum(times) * 1e6 / hops,
    }
