import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { DEGRADED_NAMES } from '../../src/agent/health/degraded-states.ts';
import { HealthRegistry } from '../../src/agent/health/registry.ts';
import { AgentMetrics } from '../../src/agent/metrics.ts';
import { METRICS } from '../../src/dns/plugin/metrics.ts';

/*
 * Whatever the dashboard and the alerts ask for has to be there: metrics, labels, states. A name that
 * is not gives no error in Prometheus, but an alert that never comes.
 */

const deploy = join(import.meta.dirname, '../../deploy');
const read = (file: string) => readFileSync(join(deploy, file), 'utf8');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}
const { groups } = load(read('prometheus/podwire.rules.yaml')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
}
const { panels } = JSON.parse(read('grafana/podwire.json')) as { panels: readonly Panel[] };
const targets = panels.flatMap((panel) => panel.targets);

/** All series there are, and the labels of each. */
const known = new Map<string, ReadonlySet<string>>();
for (const metric of new AgentMetrics(
  'test',
  new HealthRegistry(),
  'nftables',
).registry.getMetricsAsArray()) {
  const {
    name,
    type,
    labelNames = [],
  } = metric as unknown as {
    name: string;
    type: string;
    labelNames?: readonly string[];
  };
  const definition = Object.hasOwn(METRICS, name)
    ? METRICS[name as keyof typeof METRICS]
    : undefined;
  // Prometheus adds who was asked.
  const labels = [...labelNames, ...(definition?.labels ?? []), 'instance', 'job'];
  known.set(name, new Set(labels));
  // prom-client 15 has its kinds as texts.
  if (type !== 'histogram' && definition?.kind !== 'histogram') continue;
  known.set(`${name}_bucket`, new Set([...labels, 'le']));
  for (const end of ['sum', 'count']) known.set(`${name}_${end}`, new Set(labels));
}

/** What an expression names: its series, and every label it selects or groups by. */
function namesIn(expr: string): { readonly series: string[]; readonly labels: string[] } {
  const selected = [...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, inner = '']) =>
    [...inner.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
  );
  const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, inner = '']) =>
    inner.split(',').map((label) => label.trim()),
  );
  const series = [...expr.matchAll(/\b(?:podwire|kubeproxy|coredns)_\w+/g)].map(([name]) => name);
  return { series, labels: [...selected, ...grouped] };
}

const labelsOf = (template: string) =>
  [...template.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)].map(([, name = '']) => name);

const asked = [
  ...rules.map(({ alert, expr, annotations }) => ({
    name: alert,
    expr,
    shown: Object.values(annotations).flatMap(labelsOf),
  })),
  ...panels.flatMap(({ title, targets: each }) =>
    each.map(({ expr, legendFormat }) => ({ name: title, expr, shown: labelsOf(legendFormat) })),
  ),
];

describe('what monitoring asks for', () => {
  it.each(asked)('$name: $expr', ({ expr, shown }) => {
    const { series, labels } = namesIn(expr);
    expect(series).not.toEqual([]);
    for (const name of series) {
      expect(known.has(name), `${name} is no metric of the agent`).toBe(true);
      for (const label of [...labels, ...shown]) {
        expect(known.get(name)?.has(label), `${name} has no label ${label}`).toBe(true);
      }
    }
    for (const [, states = ''] of expr.matchAll(/state=~?"([^"]+)"/g)) {
      for (const state of states.split('|')) expect(DEGRADED_NAMES).toContain(state);
    }
    // What is left of an expression without its names, strings and numbers is known, too.
    const words = expr
      .replaceAll(/"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:podwire|kubeproxy|coredns)_\w+/g, ' ')
      .replaceAll(/\bby \([^)]*\)/g, ' ');
    for (const [word] of words.matchAll(/[a-z_]+/g)) {
      expect(['sum', 'count', 'rate', 'histogram_quantile', 'or']).toContain(word);
    }
  });

  it('finds what does not exist', () => {
    expect(known.has('podwire_degradation')).toBe(false);
    expect(known.get('podwire_degraded')?.has('states')).toBe(false);
    expect(namesIn('sum by (a, b) (podwire_x{c="1",d!~"2"})')).toEqual({
      series: ['podwire_x'],
      labels: ['c', 'd', 'a', 'b'],
    });
  });
});

describe('the alerts', () => {
  it.each(rules)('$alert has all that one needs', (rule) => {
    expect(rule.alert).toMatch(/^Podwire[A-Z][A-Za-z]+$/);
    expect(['critical', 'warning']).toContain(rule.labels.severity);
    expect(rule.for ?? '1m').toMatch(/^\d+m$/);
    expect(rule.annotations.summary).toMatch(/\.$/);
    expect(rule.annotations.description).toMatch(/\.$/);
  });

  it('have names of their own', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });
});

describe('the dashboard', () => {
  it('has panels of their own numbers, and asks the chosen nodes alone', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const { expr } of targets) expect(expr).toContain('{instance=~"$instance"');
  });
});
