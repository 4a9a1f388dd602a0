"""The engine: senses, council, consensus, hands, ledger and stream of Incident Commander."""
