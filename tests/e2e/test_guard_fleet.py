"""Absences over a fleet: what one proxy has met, all hold; whoever releases, releases all."""
from house import header, wait_until
from reconciling import Fleet, GONE, ROUTES, THERE, guard, route
from test_redis import FLEET, Redis, SECRET, redis  # noqa: F401


def fleet_of(make_world, redis, count=2):
    routes = ROUTES + f'redis: {{servers: "redis://127.0.0.1:{redis.port}", budget: 500ms}}\n' + SECRET
    worlds = [make_world(workers=1, routes=routes, env=FLEET) for _ in range(count)]
    for w in worlds:
        wait_until(lambda: w.proxy.status()["redis"]["fleet"] == count, 20)
    return worlds


def test_the_third_flip_of_the_fleet_latches_every_machine_within_a_second(make_world, redis):
    a, b = fleet_of(make_world, redis)
    all = Fleet(a, 6)
    b.origin.fail = a.origin.fail
    assert set(all.round() + all.round(world=b)) == {200}
    all.say_all(GONE)
    assert all.poll(0)[0] == 404 and all.poll(0, world=b)[0] == 404   # one key, whoever is asked
    assert all.poll(1)[0] == 404
    wait_until(lambda: route(b)["flips_elsewhere"] == 1, 5)
    assert not route(a)["latched"] and not route(b)["latched"]
    answer = all.poll(2, world=b)
    assert answer[0] == 503 and header(answer, "sallyport-reason") == "absence-held"
    wait_until(lambda: route(a)["latched"], 5)
    assert [all.poll(i)[0] for i in range(6)] == [503] * 6
    guard(a, "release")
    wait_until(lambda: not route(b)["latched"], 5)
    assert all.poll(2, world=b)[0] == 404
    all.say_all(THERE)
    assert set(all.round() + all.round(world=b)) == {200}


def test_a_trip_reaches_every_machine(make_world, redis):
    a, b = fleet_of(make_world, redis)
    guard(a, "trip", "clusters")
    wait_until(lambda: route(b)["cause"] == "fleet", 5)
    assert not route(b, "lists")["latched"]
