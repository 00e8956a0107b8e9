package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics counts what this package does itself; what others count is read from them at each scrape ([gauges]).
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.HistogramVec
	throttled prometheus.Counter
	audited   *prometheus.CounterVec
}

func newMetrics(read prometheus.Collector) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hotline_http_request_seconds", Help: "Time to answer HTTP requests, by route.",
			Buckets: []float64{.001, .0025, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"method", "route", "status"}),
		throttled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hotline_login_throttled_total", Help: "Attempts to log in that were refused unseen because they came too fast.",
		}),
		audited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hotline_audit_entries_total", Help: "Audited actions, by action.",
		}, []string{"action"}),
	}
	m.registry.MustRegister(m.requests, m.throttled, m.audited, read,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) served(method, route string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		method = "other" // strangers choose methods; they must not choose how many series there are
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}
