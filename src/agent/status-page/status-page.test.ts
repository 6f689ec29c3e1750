import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { DEGRADED_STATES } from '../health/degraded-states.ts';
import type { AgentStatus } from '../status/status.ts';
import { CONTENT_SECURITY_POLICY, STATUS_PAGE } from './page.ts';
import { isLocal } from './routes.ts';
import { type Browser, type PageElement, statusScript } from './script.ts';

const script = statusScript();

const STATUS: AgentStatus = {
  version: '1.2.3',
  pid: 7,
  nodeName: 'n1',
  startedAt: '2026-01-01T00:00:00.000Z',
  at: '2026-01-01T01:00:00.000Z',
  uptimeSeconds: 3_600,
  memoryBytes: 100 << 20,
  notReady: null,
  degraded: [],
  sources: [],
  objects: { services: 1, endpointSlices: 1, nodes: 0, namespaces: 0, pods: 0 },
  nodes: [],
  nodeCount: 0,
  proxy: {
    backend: 'nftables',
    synced: true,
    services: 1,
    routes: 1,
    lastSync: null,
    syncCount: 0,
    failureCount: 0,
    protection: null,
    quarantined: [],
    quarantinedCount: 0,
  },
  dns: {
    servers: [{ label: 'dns://:53', port: 53 }],
    corefile: null,
    names: 3,
    tableBytes: 1_000,
    generation: 1,
    publishedAt: null,
    answersPerSecond: 0,
    rcodes: [],
  },
  pods: { reservations: [], reservationCount: 0, attachmentCount: 0, errors: [] },
};

/** As much of a document as the script asks for. */
class Element implements PageElement {
  textContent: string | null = '';
  className = '';
  readonly attributes = new Map<string, string>();
  children: (PageElement | string)[] = [];
  readonly tag: string;

  constructor(tag: string) {
    this.tag = tag;
  }
  append(...children: (PageElement | string)[]): void {
    this.children.push(...children);
  }
  replaceChildren(...children: (PageElement | string)[]): void {
    this.children = children;
  }
  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value);
  }
  /** All text in it. */
  get text(): string {
    const inner = this.children.map((each) => (each instanceof Element ? each.text : ''));
    return [this.textContent, ...inner].join(' ');
  }
}

/** Runs the script as the page has it until it waits; gives the elements by their ids. */
async function drawn(answers: Readonly<Record<string, unknown>>): Promise<Map<string, Element>> {
  const ids = [...STATUS_PAGE.matchAll(/ id="(\w+)"/g)].map(([, id = '']) => id);
  const elements = new Map(ids.map((id) => [id, new Element('div')]));
  const { promise, resolve } = Promise.withResolvers<void>();
  const browser: Browser = {
    document: {
      title: '',
      hidden: false,
      getElementById: (id) => elements.get(id) ?? null,
      createElement: (tag) => new Element(tag),
      createElementNS: (_, tag) => new Element(tag),
    },
    fetch: async (path) => ({ ok: path in answers, json: async () => answers[path] }),
    setTimeout: () => resolve(),
  };
  // What the browser gets is text, and has to stand by itself.
  const [, text = ''] = /<script>(.*)<\/script>/s.exec(STATUS_PAGE) ?? [];
  runInNewContext(text, { window: browser });
  await promise;
  return elements;
}

describe('the script of the status page', () => {
  it.each([
    [0, 1],
    [0.3, 0.5],
    [1, 1],
    [1.01, 2],
    [34, 50],
    [51, 100],
    [2_000, 2_000],
  ])('has room for %d up to %d', (value, max) => {
    expect(script.niceMax(value)).toBeCloseTo(max);
  });

  it('draws lines from the left to the right, with gaps', () => {
    expect(script.linePath([0, 10, null, 5], 10)).toBe('M0 140L0 140L200 0M600 70L600 70');
    expect(script.linePath([null], 10)).toBe('');
    expect(script.linePath([5], 10)).toBe('M0 70L0 70');
  });

  it('puts rare codes together', () => {
    const answers = { NOERROR: 5, SERVFAIL: 1, REFUSED: 2 };
    const series = script.answerSeries([{ atMs: 0, syncMs: null, answers }]);
    expect(series).toEqual([
      { name: 'NOERROR', values: [5] },
      { name: 'NXDOMAIN', values: [0] },
      { name: 'others', values: [3] },
    ]);
  });

  it('shows a status, and takes no name in it for HTML', async () => {
    const degraded = [
      {
        state: 'source-away' as const,
        about: '<img src=x onerror=alert(1)>',
        since: STATUS.startedAt,
        text: 'refused',
        ...DEGRADED_STATES['source-away'],
      },
    ];
    const samples = [
      { atMs: 0, syncMs: 3, answers: { NOERROR: 5 } },
      { atMs: 2_000, syncMs: null, answers: {} },
    ];
    const page = await drawn({
      '/status.json': { ...STATUS, degraded },
      '/status/history.json': samples,
    });
    expect(page.get('state')?.textContent).toBe('degraded');
    expect(page.get('about')?.textContent).toBe('n1, podwire 1.2.3, up 60 min, 100 MiB');
    expect(page.get('sections')?.text).toContain('<img src=x onerror=alert(1)>: refused');
    expect(page.get('syncs')?.text).toContain('top: 5 ms');
    const [svg] = page.get('answers')?.children ?? [];
    expect(svg).toBeInstanceOf(Element);
    expect((svg as Element).children).toHaveLength(3 + 3);
  });

  it('says when the agent does not answer', async () => {
    const page = await drawn({});
    expect(page.get('state')?.textContent).toContain('does not answer');
  });
});

describe('the status page', () => {
  it('has nothing of anybody else, and a policy that lets nothing else in', () => {
    expect(STATUS_PAGE.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(
      /https?:|@import|url\(/,
    );
    expect(STATUS_PAGE.match(/<\/script>/g)).toHaveLength(1);
    expect(CONTENT_SECURITY_POLICY).toMatch(/^default-src 'none'; style-src 'sha256-/);
    expect(CONTENT_SECURITY_POLICY).not.toContain('unsafe');
  });

  it.each([
    ['127.0.0.1', 'localhost:10249', true],
    ['::ffff:127.0.0.1', '127.0.0.1:10249', true],
    ['::1', '[::1]:10249', true],
    ['192.0.2.1', 'localhost:10249', false],
    ['127.0.0.1', 'evil.example:10249', false],
    ['127.0.0.1', '127.0.0.1.evil.example', false],
    ['127.0.0.1', '', false],
  ])('asked from %s for "%s": %s', (remoteAddress, host, expected) => {
    expect(isLocal({ socket: { remoteAddress }, headers: { host } })).toBe(expected);
  });
});
