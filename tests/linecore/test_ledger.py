from linecore.ledger import RECORDED, Ledger, Outcome


def test_every_frame_is_captured_recorded_dropped_or_in_flight() -> None:
    ledger = Ledger()
    for number in range(5):
        assert ledger.capture("camera", str(number))
    ledger.settle("camera", "0", RECORDED)
    ledger.settle("camera", "1", Outcome(dropped="overtaken"))
    balance = ledger.balance()
    assert (balance.captured, balance.recorded, balance.dropped, balance.in_flight) == (5, 1, {"overtaken": 1}, 3)
    assert balance.balanced
    assert str(balance) == "5 captured = 1 recorded + 1 dropped (1 overtaken) + 3 in flight"


def test_a_frame_in_flight_is_not_counted_again() -> None:
    ledger = Ledger()
    assert ledger.capture("zmq", "a")
    assert not ledger.capture("zmq", "a")
    assert ledger.balance().captured == 1


def test_settling_twice_or_what_is_unknown_counts_nothing() -> None:
    ledger = Ledger()
    ledger.capture("zmq", "a")
    assert ledger.settle("zmq", "a", RECORDED)
    assert not ledger.settle("zmq", "a", RECORDED)
    assert not ledger.settle("zmq", "b", RECORDED)
    assert ledger.balance().recorded == 1
    assert ledger.balance().balanced


def test_each_source_has_a_balance_of_its_own() -> None:
    ledger = Ledger()
    ledger.capture("left", "a")
    ledger.capture("right", "a")
    ledger.settle("left", "a", RECORDED)
    assert ledger.balance("left").recorded == 1
    assert ledger.balance("right").in_flight == 1
    assert ledger.balance().captured == 2
