"""The shop's customers, for Locust, who also announce the phases of the run to the agent.

    locust -f examples/load/locustfile.py --headless -u 50 -r 10 -t 60s -H http://127.0.0.1:8080

While users are spawned the phase is `warmup`, once all are there it is `steady`, and `after` when the test has
stopped. The agent is at SOAKSCOPE_ADMIN, by default http://127.0.0.1:9900; a run without one is fine.
"""

import logging
import os
import random
import urllib.request

from locust import FastHttpUser, constant_throughput, events, task
from locust.runners import WorkerRunner

ADMIN = os.environ.get("SOAKSCOPE_ADMIN", "http://127.0.0.1:9900").rstrip("/")

log = logging.getLogger(__name__)


def phase(name):
    """Announces a phase to the agent; a run without an agent goes on."""
    request = urllib.request.Request(f"{ADMIN}/phase/{name}", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=2):
            log.info("phase %s", name)
    except OSError as error:
        log.warning("phase %s: no agent at %s (%s)", name, ADMIN, error)


@events.init.add_listener
def on_init(environment, **_):
    if isinstance(environment.runner, WorkerRunner):
        return  # In a distributed run the master speaks for all.
    environment.events.test_start.add_listener(lambda **_: phase("warmup"))
    environment.events.spawning_complete.add_listener(lambda **_: phase("steady"))
    environment.events.test_stop.add_listener(lambda **_: phase("after"))


class Customer(FastHttpUser):
    """Looks around more than it buys; one request each third of a second, however slow the shop is."""

    host = "http://127.0.0.1:8080"
    wait_time = constant_throughput(3)

    @task(36)
    def products(self):
        self.client.get(f"/products?page={random.randint(1, 100)}", name="/products")

    @task(30)
    def product(self):
        self.client.get(f"/products/{random.randint(1, 2000)}", name="/products/{id}")

    @task(21)
    def orders(self):
        self.client.get(f"/orders/{random.randint(1, 500)}", name="/orders/{user}")

    @task(10)
    def order(self):
        lines = [
            {"product": product, "quantity": random.randint(1, 3)}
            for product in random.sample(range(1, 2001), random.randint(1, 3))
        ]
        self.client.post("/orders", json={"user": random.randint(1, 500), "lines": lines})

    @task(3)
    def report(self):
        self.client.get("/report")
