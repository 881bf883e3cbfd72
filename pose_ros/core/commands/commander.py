"""From gestures to what a robot is asked to do, so that in doubt it stands still.

Here the robot stops: when the operator is lost, images are missing, or it is locked.

This module has no clock and no queue: the owner of a ``Commander`` passes each image on to it and
asks it, on a timer, what to send next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias

from pose_ros.core.commands.config import (
    CommandConfig,
    EventAction,
    FollowAction,
    GoalAction,
    Motion,
    StopAction,
    TwistAction,
)
from pose_ros.core.commands.follow import FollowControl, FollowedPerson, Spot, goal_beside
from pose_ros.core.commands.operator import Engagement, Operator, Person
from pose_ros.core.commands.velocity import VelocityLimiter
from pose_ros.core.gestures.postures import POSTURE_NAMES
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.gestures.targets import Goal
from pose_ros.core.timeline import Arrival, Freshness
from pose_ros.core.types import has_body
from pose_ros.errors import OptionError

NOT_ENGAGED = "no person has engaged"
RELEASED = "has let go"
"""How the reason ends where the operator made the gesture that releases."""


class State(Enum):
    """How the robot stands to the people before it."""

    DISENGAGED = "disengaged"
    """It heeds only a person who wants to engage."""
    ENGAGING = "engaging"
    """A person holds the gesture that engages."""
    ENGAGED = "engaged"
    """It waits for the operator's command."""
    COMMANDING = "commanding"
    STOPPED = "stopped"
    """Something keeps it from moving; the reason says what."""


Kind: TypeAlias = Literal["none", "twist", "goal", "stop"]


@dataclass(frozen=True)
class Command:
    """What to send now.

    Attributes:
        kind: ``twist``: the speeds, and no goal any more; ``goal``: the goal, once; ``stop``:
            zero speed, and no goal any more; ``none``: nothing.
        state: Of the commander.
        reason: Why it is so, in words; empty where there is nothing to say.
        linear: m/s forward; finite, as ``angular``.
        angular: rad/s to the left.
        goal: For ``goal``.
        events: What to tell, whatever the kind.
    """

    kind: Kind
    state: State
    reason: str = ""
    linear: float = 0.0
    angular: float = 0.0
    goal: Goal | None = None
    events: tuple[EventAction, ...] = ()

    def __post_init__(self) -> None:
        if not math.isfinite(self.linear) or not math.isfinite(self.angular):
            raise OptionError(f"expected finite speeds, got {self.linear}, {self.angular}")


class _SeenPeople(NamedTuple):
    """The people of one image, where they point and where they stand, by id."""

    people: Sequence[Person]
    stamp: float
    goals: Mapping[int, Goal | str]
    spots: Mapping[int, Spot | str]


_Held: TypeAlias = tuple[str, str]  # name and side of a gesture


class Commander:
    """Turns the gestures of one operator into commands.

    ``observe`` is to be called with each image, ``tick`` at a steady rate; stamps and ``now``
    are seconds. What the operator commands lives while its gesture is seen to be held, and
    whatever interrupts it ends it: a gesture that is still held then commands nothing until
    it has been let go and made again. To follow is a command that needs no holding; while the
    operator is out of sight the robot stands still.
    """

    def __init__(self, config: CommandConfig) -> None:
        self.config = config
        self._fresh = Freshness(config.timeout, compare_clock=config.compare_clock)
        self._limiter = VelocityLimiter(config.limits)
        self._engagement = Engagement(config.engage_time, config.operator)
        self._operator: Operator | None = None
        self._state, self._reason = State.DISENGAGED, NOT_ENGAGED
        self._action: Motion | None = None
        self._followed: FollowedPerson | None = None  # while the action is to follow
        self._follow_control = FollowControl(FollowAction.distance)
        self._wanted = (0.0, 0.0)
        self._goal: Goal | None = None  # the one that was sent, while it lives
        self._next_goal: Goal | None = None
        self._events: list[EventAction] = []
        self._announced: set[_Held] = set()
        # gestures that have to be let go before they command; None: all that are held next
        self._spent: set[_Held] | None = None
        self._locked = False
        self._lock_heard = -math.inf
        self._barred = ""
        self._stale = ""  # what is wrong with the images
        self._moved = False  # by the last tick
        self._ticked = self._zero_until = -math.inf

    @property
    def state(self) -> State:
        """What the next ``tick`` starts from."""
        return self._state

    @property
    def reason(self) -> str:
        """Why the state is what it is."""
        return self._reason

    @property
    def operator(self) -> int | None:
        """Id of the operator."""
        return None if self._operator is None else self._operator.id

    def observe(
        self,
        gestures: Sequence[Gesture],
        people: Sequence[Person],
        stamp: float,
        now: float,
        goals: Mapping[int, Goal | str] | None = None,
        *,
        spots: Mapping[int, Spot | str] | None = None,
    ) -> None:
        """Take in an image.

        Args:
            gestures: Made in it, by any person.
            people: All who are in it.
            stamp: Its own.
            now: The time.
            goals: Where people point, by id; or why that is not known.
            spots: Where people stand, by id; or why that is not known. Who is followed needs it.
        """
        arrival, trouble = self._fresh.take(stamp, now)
        if arrival is Arrival.SAME:
            return  # as good as no image: the timeout runs on
        if arrival is Arrival.JUMP:
            self._let_go(State.STOPPED, self._barred or trouble)
            return
        if arrival is Arrival.GAP:
            self._engagement.clear()
            self._miss(trouble)
        held = [g for g in gestures if g.event != "ended"]
        events = [] if self._barred else self._events_of_postures(held)
        if self._locked or self._barred:
            self._events += events
            return
        if self._operator is None:
            self._look_for_operator(held, people, stamp)
        else:
            self._attend(self._operator, held, _SeenPeople(people, stamp, goals or {}, spots or {}))
        self._events += events

    def tick(self, now: float) -> Command:
        """Return what to send now."""
        trouble = self._fresh.clock_jumped(now)
        if trouble:
            self._let_go(State.STOPPED, self._barred or trouble)
            # a robot that is barred and stood still may be another's to drive
            last: Kind = "none" if self._barred and not self._moved else "stop"
            self._moved = False
            self._ticked = self._zero_until = self._lock_heard = -math.inf
            return Command(last, self._state, self._reason)
        elapsed, self._ticked = now - self._ticked, now
        self._check_lock(now)
        self._check_images(now)
        events, self._events = tuple(self._events), []
        if self._state is State.COMMANDING:
            self._moved = True
            if self._goal is not None or self._next_goal is not None:
                return self._drive_to(events)
            linear, angular = self._limiter.step(*self._wanted, elapsed)
            return Command("twist", self._state, self._reason, linear, angular, events=events)
        # zero at once: how hard it brakes is for the base to say
        if self._moved:
            self._moved, self._zero_until = False, now + self.config.zero_time
        talks = self._operator is not None or now < self._zero_until
        kind: Kind = "stop" if talks else "none"
        return Command(kind, self._state, self._reason, events=events)

    def lock(self, locked: bool, now: float, *, heard: bool = True) -> None:
        """Take in whether all movement is locked.

        Args:
            locked: Whether it is.
            now: The time.
            heard: A message of the lock has come, and not only the silence of one.
        """
        if heard:
            self._lock_heard = now
        if locked and not self._locked:
            self._let_go(State.STOPPED, "locked")
        elif self._locked and not locked:
            self._let_go(State.DISENGAGED, "unlocked: engage again")
        self._locked = locked

    def stop(self, reason: str) -> None:
        """End all and let the operator go, as a stop button or an exception does."""
        self._let_go(State.STOPPED, f"{reason}: engage again")

    def bar(self, reason: str) -> None:
        """Let nothing move and no person engage while there is a reason; empty: go on."""
        if reason == self._barred:
            return
        self._barred = reason
        self._let_go(State.STOPPED if reason else State.DISENGAGED, reason)

    def finish_goal(self, reason: str) -> None:
        """Take in that the robot is where it was sent to, or has given up."""
        # who follows drives on when the person walks on
        if self._goal is not None and self._followed is None:
            self._interrupt(reason, State.ENGAGED)

    def _look_for_operator(
        self, held: Sequence[Gesture], people: Sequence[Person], stamp: float
    ) -> None:
        holding = [g.person for g in held if g.name == self.config.engage]
        chosen, ready = self._engagement.update(holding, people, stamp)
        if chosen is None:
            if self._state is State.ENGAGING:
                self._let_go(State.DISENGAGED, "the gesture that engages was let go too early")
        elif not ready:
            self._state = State.ENGAGING
            self._reason = f"person {chosen.id} holds {self.config.engage}"
        else:
            self._engagement.clear()
            self._operator = Operator(chosen, stamp)
            self._announced = {_key(g) for g in held if g.person == chosen.id}
            self._spent = set(self._announced)  # nothing that began before counts
            self._state, self._reason = State.ENGAGED, f"operator {chosen.id}"

    def _attend(self, operator: Operator, held: Sequence[Gesture], seen: _SeenPeople) -> None:
        """Do what the operator says, where it is sure that it is the operator."""
        looker = operator if self._followed is None else self._followed
        presence, trouble = looker.update(seen.people, seen.stamp)
        if presence == "doubtful":
            self._let_go(State.STOPPED, f"{trouble}: engage again")
        elif presence == "missing":
            if operator.unseen(seen.stamp) > self._lost_time:
                self._let_go(State.DISENGAGED, trouble)
            elif self._followed is None or not self._stopped_by(held):
                self._lose(trouble)
        elif not self._stopped_by(held):
            self._heed(operator, held, seen)

    @property
    def _lost_time(self) -> float:
        """Seconds for which the operator may be out of sight."""
        if isinstance(self._action, FollowAction):
            return max(self._action.lost_time, self.config.lost_time)
        return self.config.lost_time

    def _stopped_by(self, held: Sequence[Gesture]) -> bool:
        """Return whether any person shows a gesture that stops; end what is commanded then."""
        action = self.config.action
        for shown in held:
            if isinstance(action(shown.name, shown.side), StopAction):
                body = has_body(shown.person)
                who = f"person {shown.person}" if body else "a hand without a body"
                self._interrupt(f"{who} shows {shown.name}")
                return True
        return False

    def _heed(self, person: Operator, held: Sequence[Gesture], seen: _SeenPeople) -> None:
        """Do what the operator says, who is there."""
        config, operator = self.config, person.id
        own = {_key(g): g for g in held if g.person == operator}
        if any(name == config.release for name, _ in own):
            self._let_go(State.DISENGAGED, f"operator {operator} {RELEASED}")
            return
        self._spent = set(own) if self._spent is None else self._spent & own.keys()
        self._announce(own)
        moving = {key: g for key, g in own.items() if isinstance(config.action(*key), Motion)}
        spot = seen.spots.get(operator, "nothing is known of where they are")
        fresh = moving.keys() - self._spent
        if self._followed is not None and (
            not fresh or {config.action(*key) for key in moving} == {self._action}
        ):
            self._go_after(operator, spot)
        elif not moving:
            self._rest(f"operator {operator}")
        elif len(moving) > 1:
            names = " and ".join(" ".join(key[::-1]).strip() for key in moving)
            self._interrupt(f"{names} at once: make one gesture", State.ENGAGED)
        elif moving.keys() & self._spent:
            (gesture,) = moving.values()
            self._rest(f"let {gesture.name} go and make it again")
        else:
            (gesture,) = moving.values()
            action = config.action(gesture.name, gesture.side)
            if isinstance(action, FollowAction):
                self._end_motion()
                self._action = action
                self._followed = FollowedPerson(person, seen.people, seen.stamp)
                self._follow_control = FollowControl(action.distance)
                self._go_after(operator, spot)
            else:
                self._move(gesture, seen.goals.get(operator, "nothing is known of where it is"))

    def _go_after(self, operator: int, spot: Spot | str) -> None:
        """Follow the operator, who is there; stand still while it is not known where."""
        action = self._action
        assert isinstance(action, FollowAction)  # noqa: S101
        if isinstance(spot, str):
            self._pause(f"follow: {spot}", State.ENGAGED)
            return
        if action.mode == "goal":
            self._aim(action, goal_beside(spot, action.distance))
        else:
            self._wanted = self._follow_control.speeds(spot, self._limiter.linear)
        self._state, self._reason = State.COMMANDING, f"follows operator {operator}"

    def _pause(self, reason: str, state: State = State.STOPPED) -> None:
        """Stand still, and follow on when the person is there again."""
        self._follow_control.restart()
        self._stand()
        self._state, self._reason = state, reason

    def _miss(self, reason: str) -> None:
        """Stand still while no image comes; then it has to be sure again who is who."""
        if self._followed is not None:
            self._followed.doubt()
        self._lose(reason)

    def _lose(self, reason: str) -> None:
        """Stand still while the operator is not seen; only who is followed may come back."""
        if self._followed is None:
            self._interrupt(reason)
        else:
            self._spent = None
            self._pause(reason)

    def _events_of_postures(self, held: Sequence[Gesture]) -> list[EventAction]:
        """Return the events of postures that begin: who falls need not be the operator."""
        begun = [g for g in held if g.event == "started" and g.name in POSTURE_NAMES]
        actions = [self.config.action(g.name, g.side) for g in begun]
        return [action for action in actions if isinstance(action, EventAction)]

    def _announce(self, own: Mapping[_Held, Gesture]) -> None:
        for key in own.keys() - self._announced:
            if key[0] in POSTURE_NAMES:
                continue
            action = self.config.action(*key)
            if isinstance(action, EventAction):
                self._events.append(action)
        self._announced = set(own)

    def _rest(self, reason: str) -> None:
        """Wait for a command; a goal that needs no holding goes on."""
        if isinstance(self._action, GoalAction) and not self._action.hold:
            return
        self._end_motion()
        self._state, self._reason = State.ENGAGED, reason

    def _move(self, gesture: Gesture, goal: Goal | str) -> None:
        self._followed = None
        action = self.config.action(gesture.name, gesture.side)
        if isinstance(action, GoalAction):
            trouble = goal if isinstance(goal, str) else ""
            if isinstance(goal, Goal):
                self._aim(action, goal)
        else:
            assert isinstance(action, TwistAction)  # noqa: S101
            trouble = self._steer(action, gesture)
        if trouble:
            self._end_motion()
            self._state, self._reason = State.ENGAGED, f"{gesture.name}: {trouble}"
        else:
            self._action = action
            self._state = State.COMMANDING
            self._reason = f"operator {gesture.person}: {gesture.name}"

    def _aim(self, action: GoalAction | FollowAction, goal: Goal) -> None:
        if self._goal is not None and self._action == action:
            same = goal.frame_id == self._goal.frame_id
            if same and math.dist(goal.position, self._goal.position) < self.config.goal_step:
                return
        self._wanted = (0.0, 0.0)
        self._next_goal = goal

    def _steer(self, action: TwistAction, gesture: Gesture) -> str:
        """Set the speeds that are wanted; return what is wrong, if anything."""
        linear, angular = action.linear, action.angular
        if action.proportional:
            ray = gesture.ray
            if ray is None:
                return "nothing is known of its direction"
            if not ray.sigma <= self.config.max_sigma:
                return f"its direction is known to {ray.sigma:.2f} radians only"
            # optical axes: x to the right, z away from the camera, which looks ahead
            right, _, ahead = (self._beyond_dead_zone(float(part)) for part in ray.direction)
            linear, angular = linear * ahead, -angular * right
        if not math.isfinite(linear) or not math.isfinite(angular):
            return "its speed is no number"
        self._goal = self._next_goal = None
        self._wanted = (linear, angular)
        return ""

    def _beyond_dead_zone(self, part: float) -> float:
        return part if abs(part) >= self.config.dead_zone else 0.0

    def _drive_to(self, events: tuple[EventAction, ...]) -> Command:
        self._limiter.halt()
        if self._next_goal is None:
            return Command("none", self._state, self._reason, events=events)
        self._goal, self._next_goal = self._next_goal, None
        return Command("goal", self._state, self._reason, goal=self._goal, events=events)

    def _check_lock(self, now: float) -> None:
        patience = self.config.lock_timeout
        if patience and not self._locked and now - self._lock_heard > patience:
            self._let_go(State.STOPPED, f"nothing is heard of the lock for {patience:g} s")

    def _check_images(self, now: float) -> None:
        stale = self._fresh.stale(now)
        if not stale:
            if self._state is State.DISENGAGED and self._reason == self._stale:
                self._reason = NOT_ENGAGED  # images come again: what was wrong with them is over
            self._stale = ""
        if not stale or self._locked or self._barred:
            return
        # what was wrong first: the numbers rise with each tick, and are news once
        self._stale = trouble = self._stale or stale
        self._engagement.clear()
        if self._operator is None:
            if self._state in (State.DISENGAGED, State.ENGAGING):
                self._state, self._reason = State.DISENGAGED, trouble
        elif self._fresh.age(now) > max(self._lost_time, self.config.timeout):
            self._let_go(State.DISENGAGED, trouble)
        else:
            self._miss(trouble)

    def _interrupt(self, reason: str, state: State = State.STOPPED) -> None:
        """End what is commanded; the operator stays, and has to make gestures again."""
        self._end_motion()
        self._spent = None
        if self._operator is not None:
            self._state, self._reason = state, reason

    def _let_go(self, state: State, reason: str) -> None:
        """End what is commanded and have no operator."""
        self._end_motion()
        self._engagement.clear()
        self._operator, self._spent = None, None
        self._announced.clear()
        self._events.clear()
        self._state, self._reason = state, reason

    def _end_motion(self) -> None:
        self._action, self._followed = None, None
        self._stand()

    def _stand(self) -> None:
        self._wanted = (0.0, 0.0)
        self._goal = self._next_goal = None
        self._limiter.halt()


def _key(gesture: Gesture) -> _Held:
    return gesture.name, gesture.side
