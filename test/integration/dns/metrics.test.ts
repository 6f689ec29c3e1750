import { expect, it } from 'vitest';
import { HealthRegistry } from '../../../src/agent/health/registry.ts';
import { AgentMetrics } from '../../../src/agent/metrics.ts';
import { ask } from './ask.ts';
import { objectsOf, startDns } from './cluster-fixture.ts';

/** The names and labels that dashboards for CoreDNS look for. */
it("gives CoreDNS's metrics, with what was asked", async () => {
  const metrics = new AgentMetrics('test', new HealthRegistry(), 'nftables');
  const trigger = new Date(Date.now() - 250).toISOString();
  await using dns = await startDns(
    objectsOf('names'),
    {},
    { onPublish: (publication) => metrics.published(publication) },
  );
  metrics.dns = dns.dns;
  const name = 'svc1.testns.svc.cluster.local';
  await ask(dns.port, 'udp', { name });
  await ask(dns.port, 'udp', { name, type: 'TYPE65280', edns: { flags: 0x8000 } });
  await ask(dns.port, 'tcp', { name: 'nobody.testns.svc.cluster.local', type: 'AAAA' });
  dns.store.replace(
    objectsOf('names').map((object) =>
      object.kind === 'EndpointSlice' && object.metadata.name === 'hdls1-ipv4'
        ? {
            ...object,
            metadata: {
              ...object.metadata,
              annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': trigger },
            },
          }
        : object,
    ),
  );
  const text = await metrics.registry.metrics();
  const own = `server="dns://:${dns.port}",zone=".",view=""`;
  for (const line of [
    `coredns_dns_requests_total{${own},proto="udp",family="1",type="A"} 1`,
    `coredns_dns_requests_total{${own},proto="udp",family="1",type="other"} 1`,
    `coredns_dns_requests_total{${own},proto="tcp",family="1",type="AAAA"} 1`,
    `coredns_dns_responses_total{${own},rcode="NXDOMAIN",plugin="kubernetes"} 1`,
    `coredns_dns_do_requests_total{${own}} 1`,
    `coredns_dns_request_duration_seconds_count{${own}} 3`,
    `coredns_dns_request_size_bytes_count{${own},proto="udp"} 2`,
    `coredns_dns_request_size_bytes_bucket{${own},proto="udp",le="100"} 2`,
    `coredns_dns_response_size_bytes_bucket{${own},proto="tcp",le="+Inf"} 1`,
    'coredns_kubernetes_dns_programming_duration_seconds_count{service_kind="headless_with_selector"} 1',
    'podwire_dns_dropped_total{reason="receive_buffer"} 0',
    'podwire_dns_tcp_refused_total 0',
  ]) {
    expect(text).toContain(`\n${line}\n`);
  }
  expect(text).toMatch(/\npodwire_dns_table_bytes [1-9]/);
  expect(await metrics.registry.metrics()).toBe(text.replaceAll('\r', ''));
});
