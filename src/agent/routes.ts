import type { HealthReport } from '../proxy/health/proxy-health.ts';
import type { Answer, Routes } from './http.ts';
import type { AgentMetrics } from './metrics.ts';
import type { NodeProxy } from './node-proxy.ts';

const JSON_TYPE = 'application/json';

/** What load balancers and kubelets ask, on kube-proxy's healthz port; /readyz is ours. */
export function healthRoutes(proxy: NodeProxy, metrics: AgentMetrics): Routes {
  return {
    '/healthz': () => {
      const report = proxy.healthy();
      return counted(report, report.healthy && report.nodeEligible === true, metrics.healthz);
    },
    '/livez': () => {
      const report = proxy.live();
      return counted(report, report.healthy, metrics.livez);
    },
    '/readyz': () =>
      proxy.synced
        ? { status: 200, body: 'ok\n' }
        : { status: 503, body: 'the kernel does not have the rules yet\n' },
  };
}

function counted(report: HealthReport, isWell: boolean, count: (code: number) => void): Answer {
  const status = isWell ? 200 : 503;
  count(status);
  return { status, body: JSON.stringify(report), type: JSON_TYPE };
}

/** What monitoring asks, on kube-proxy's metrics port. */
export function metricsRoutes({ registry }: AgentMetrics, mode: string): Routes {
  return {
    '/metrics': async () => ({
      status: 200,
      body: await registry.metrics(),
      type: registry.contentType,
    }),
    '/healthz': () => ({ status: 200, body: 'ok' }),
    '/proxyMode': () => ({ status: 200, body: mode }),
  };
}
