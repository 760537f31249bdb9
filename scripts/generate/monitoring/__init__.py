"""What a Prometheus and a Grafana are given: recording rules, alerts and dashboards."""
