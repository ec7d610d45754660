"""The page and its server: media come in from browsers and programs, events go out to them.

browser ─WebRTC or WebSocket─▶ visit ─source─▶ the one pipeline ─events─▶ hub ─▶ visits, /v1/events
"""
