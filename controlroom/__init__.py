"""The control room: the screens that show the engine to people, and the store behind them."""
