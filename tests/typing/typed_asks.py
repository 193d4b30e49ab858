"""Not run: mypy reads it, and `test_typing_asks.py` reads what mypy says."""

from typing import assert_type

from rkruntime.actors import Actor, ActorSystem, Ref


class Heat(Actor):
    async def step(self, count: int, *, rate: float = 0.1) -> float:
        return count * rate


async def right(system: ActorSystem) -> None:
    heat = await system.spawn(Heat)
    assert_type(heat, Ref[Heat])
    assert_type(await heat.ask(Heat.step, 10), float)
    assert_type(await heat.ask(Heat.step, 10, rate=0.2), float)
    await heat.tell(Heat.step, 10)


async def wrong(heat: Ref[Heat]) -> None:
    await heat.ask(Heat.step, "ten")
    await heat.ask(Heat.step)
    await heat.tell(Heat.step, 10, speed=1)
