"""market_book_add(), market_book_get() and market_book_release()."""

import MetaTrader5 as mt5

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
if mt5.market_book_add("EURUSD"):
    items = mt5.market_book_get("EURUSD")
    print(len(items), [type(value).__name__ for value in items[0]])
    assert all(isinstance(item, mt5.BookInfo) for item in items)
    assert [item.price for item in items] == sorted((item.price for item in items), reverse=True)
    for item in (items[0], items[-1]):
        print(item._asdict())
    print(sorted({item.type for item in items}) == [mt5.BOOK_TYPE_SELL, mt5.BOOK_TYPE_BUY])
    print(mt5.market_book_release("EURUSD"))
print(mt5.market_book_add("NOSUCHTHING"), mt5.last_error())
mt5.shutdown()
