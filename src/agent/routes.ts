import { PodwireError } from '../errors.ts';
import type { HealthReport } from '../proxy/health/proxy-health.ts';
import type { AgentDns } from './dns.ts';
import type { Answer, Route, Routes } from './http.ts';
import type { AgentMetrics } from './metrics.ts';
import type { NodeProxy } from './node-proxy.ts';

const JSON_TYPE = 'application/json';

/** What load balancers and kubelets ask, on kube-proxy's healthz port; /readyz is ours. */
export function healthRoutes(
  proxy: NodeProxy,
  notReady: () => string | undefined,
  metrics: AgentMetrics,
): Routes {
  return {
    '/healthz': () => {
      const report = proxy.healthy();
      return counted(report, report.healthy && report.nodeEligible === true, metrics.proxy.healthz);
    },
    '/livez': () => {
      const report = proxy.live();
      return counted(report, report.healthy, metrics.proxy.livez);
    },
    '/readyz': () => {
      const reason = notReady();
      return reason === undefined
        ? { status: 200, body: 'ok\n' }
        : { status: 503, body: `${reason}\n` };
    },
  };
}

function counted(report: HealthReport, isWell: boolean, count: (code: number) => void): Answer {
  const status = isWell ? 200 : 503;
  count(status);
  return { status, body: JSON.stringify(report), type: JSON_TYPE };
}

/** What monitoring asks, on kube-proxy's metrics port. */
export function metricsRoutes(
  { registry }: AgentMetrics,
  mode: string,
  explainName: Route,
): Routes {
  return {
    '/metrics': async () => ({
      status: 200,
      body: await registry.metrics(),
      type: registry.contentType,
    }),
    '/healthz': () => ({ status: 200, body: 'ok' }),
    '/explain/name': explainName,
    '/proxyMode': () => ({ status: 200, body: mode }),
  };
}

/** `?name=NAME&type=TYPE`: what `podwire explain name --agent` shows. */
export function explainNameRoute(dns: AgentDns): Route {
  return (query) => explainName(dns, query);
}

function explainName(dns: AgentDns, query: URLSearchParams): Answer {
  try {
    const explained = dns.explain(query.get('name') ?? '', query.get('type') ?? 'A');
    return { status: 200, body: JSON.stringify(explained), type: JSON_TYPE };
  } catch (error) {
    if (!(error instanceof PodwireError)) throw error;
    return { status: 400, body: `${error.message}\n` };
  }
}
