from linecore.bus import Bus
from linecore.events import Event, SourceConnected, SourceExhausted


def test_a_handler_hears_the_events_of_its_type() -> None:
    bus, heard = Bus(), list[Event]()
    bus.subscribe(SourceExhausted, heard.append)
    bus.publish(SourceConnected("camera", "0"))
    bus.publish(SourceExhausted("camera"))
    assert heard == [SourceExhausted("camera")]


def test_a_handler_of_the_base_class_hears_everything_in_order() -> None:
    bus, heard = Bus(), list[Event]()
    bus.subscribe(Event, heard.append)
    events = [SourceConnected("camera", "0"), SourceExhausted("camera")]
    for event in events:
        bus.publish(event)
    assert heard == events


def test_unsubscribing_ends_one_subscription_of_several() -> None:
    bus, heard = Bus(), list[Event]()
    bus.subscribe(SourceExhausted, heard.append)
    unsubscribe = bus.subscribe(SourceExhausted, heard.append)
    unsubscribe()
    unsubscribe()
    bus.publish(SourceExhausted("camera"))
    assert len(heard) == 1


def test_a_failing_handler_stops_nobody_and_is_counted() -> None:
    bus, heard = Bus(), list[Event]()

    def fail(event: SourceExhausted) -> None:
        raise RuntimeError(event.source)

    bus.subscribe(SourceExhausted, fail)
    bus.subscribe(SourceExhausted, heard.append)
    bus.publish(SourceExhausted("camera"))
    assert len(heard) == 1
    assert bus.failures == 1


def test_a_handler_that_wants_to_exit_stops_nobody() -> None:
    bus, heard = Bus(), list[Event]()

    def exits(_event: Event) -> None:
        raise SystemExit(1)

    bus.subscribe(Event, exits)
    bus.subscribe(Event, heard.append)
    bus.publish(SourceExhausted("camera"))
    assert len(heard) == 1
    assert bus.failures == 1
