"""Kafka: how to reach a cluster, what is written to its topics, and what is kept while it is away.

`docs/kafka.md` tells users, `stream/schema/asyncapi-1.json` describes the topics.
"""
