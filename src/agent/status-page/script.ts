import type { Sample } from '../status/history.ts';
import type { AgentStatus } from '../status/status.ts';

/** As much of an element as the page needs. */
export interface PageElement {
  textContent: string | null;
  className: string;
  append(...children: (PageElement | string)[]): void;
  replaceChildren(...children: (PageElement | string)[]): void;
  setAttribute(name: string, value: string): void;
}

/** As much of a browser as the page needs. */
export interface Browser {
  readonly document: {
    title: string;
    readonly hidden: boolean;
    getElementById(id: string): PageElement | null;
    createElement(tag: string): PageElement;
    createElementNS(namespace: string, tag: string): PageElement;
  };
  readonly fetch: (path: string) => Promise<{ readonly ok: boolean; json(): Promise<unknown> }>;
  readonly setTimeout: (callback: () => void, delayMs: number) => unknown;
}

/** A line of a chart: its values in time, null where there is none. */
export interface Series {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

/** A table of the page. */
export interface Section {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/**
 * The script of the status page. Its text is put into the page as it is, so it holds all it needs and
 * uses nothing around it. All that is shown goes through textContent: what objects of the cluster are
 * called is never taken for HTML.
 */
export function statusScript() {
  const INTERVAL_MS = 2_000;
  const WIDTH = 600;
  const HEIGHT = 140;
  const SVG = 'http://www.w3.org/2000/svg';

  /** The next of 1, 2 and 5 and their multiples by tens that is no less. */
  const niceMax = (value: number): number => {
    if (!(value > 0)) return 1;
    const power = 10 ** Math.floor(Math.log10(value));
    const steps = [1, 2, 5, 10].map((step) => step * power);
    return steps.find((step) => step >= value) ?? value;
  };

  /** The path of a line through values from the left to the right; it has gaps where there are none. */
  const linePath = (values: readonly (number | null)[], max: number): string => {
    const round = (n: number) => Math.round(n * 10) / 10;
    const step = values.length > 1 ? WIDTH / (values.length - 1) : 0;
    let path = '';
    let isOpen = false;
    values.forEach((value, index) => {
      if (value === null) {
        isOpen = false;
        return;
      }
      const point = `${round(index * step)} ${round(HEIGHT - (value / max) * HEIGHT)}`;
      // A point of its own is a line of no length, which round ends make a dot.
      path += isOpen ? `L${point}` : `M${point}L${point}`;
      isOpen = true;
    });
    return path;
  };

  const syncSeries = (samples: readonly Sample[]): Series[] => [
    { name: 'slowest sync', values: samples.map(({ syncMs }) => syncMs) },
  ];

  /** The usual codes have lines of their own, the others one together. */
  const answerSeries = (samples: readonly Sample[]): Series[] => {
    const own = ['NOERROR', 'NXDOMAIN'];
    const others = samples.map(({ answers }) =>
      Object.entries(answers)
        .filter(([rcode]) => !own.includes(rcode))
        .reduce((sum, [, rate]) => sum + rate, 0),
    );
    return [
      ...own.map((name) => ({ name, values: samples.map(({ answers }) => answers[name] ?? 0) })),
      // A line of nothing would lie over the others.
      { name: 'others', values: others.map((rate) => rate || null) },
    ];
  };

  const age = (since: string | null, at: string): string => {
    if (since === null) return '-';
    const seconds = Math.max(0, Math.round((Date.parse(at) - Date.parse(since)) / 1000));
    if (seconds < 120) return `${seconds} s`;
    if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
    return seconds < 172_800
      ? `${Math.round(seconds / 3_600)} h`
      : `${Math.round(seconds / 86_400)} d`;
  };

  /** What the page says, as tables. */
  const sections = (status: AgentStatus): Section[] => {
    const { at, degraded, sources, proxy, dns, nodes, pods } = status;
    const sync = proxy.lastSync;
    const all: Section[] = [
      {
        title: 'Degraded',
        head: ['State', 'For', 'What is wrong', 'What to do'],
        rows: degraded.map(({ state, about, since, text, todo }) => [
          state,
          age(since, at),
          about === '' || text.startsWith(about) ? text : `${about}: ${text}`,
          todo,
        ]),
      },
      {
        title: 'Sources',
        head: ['Source', 'Place', 'State', 'Heard', 'Objects', 'Errors'],
        rows: sources.map(({ kind, place, state, heardAt, objects, errors, errorCount }) => [
          kind,
          place,
          state,
          heardAt === null ? '-' : `${age(heardAt, at)} ago`,
          String(objects),
          errorCount === 0 ? '-' : `${errorCount}: ${errors[0] ?? ''}`,
        ]),
      },
      {
        title: 'Services',
        head: ['Backend', 'Services', 'Routes', 'Last sync', 'Took', 'Syncs', 'Failed'],
        rows: [
          [
            proxy.backend,
            String(proxy.services),
            String(proxy.routes),
            sync === null ? '-' : `${age(sync.at, at)} ago`,
            sync === null ? '-' : `${sync.durationMs} ms`,
            String(proxy.syncCount),
            String(proxy.failureCount),
          ],
        ],
      },
      {
        title: 'Quarantined',
        head: ['Service', 'The kernel says'],
        rows: proxy.quarantined.map(({ service, error }) => [service, error]),
      },
      {
        title: 'DNS',
        head: ['Listens', 'Names', 'Generation', 'Published', 'Answers a second'],
        rows: [
          [
            dns.servers.map(({ label }) => label).join(' '),
            String(dns.names),
            String(dns.generation),
            dns.publishedAt === null ? '-' : `${age(dns.publishedAt, at)} ago`,
            String(dns.answersPerSecond),
          ],
        ],
      },
      {
        title: 'DNS answers',
        head: ['Code', 'Since the start', 'A second'],
        rows: dns.rcodes.map(({ rcode, total, perSecond }) => [
          rcode,
          String(total),
          String(perSecond),
        ]),
      },
      {
        title: 'Pods',
        head: ['Addresses reserved', 'Links into other namespaces'],
        rows: [[String(pods.reservationCount), String(pods.attachmentCount)]],
      },
      {
        title: `Nodes: ${status.nodeCount}`,
        head: ['Node', 'Addresses', 'Pod CIDRs'],
        rows: nodes
          .slice(0, 50)
          .map(({ name, isOwn, addresses, podCIDRs }) => [
            isOwn ? `${name} (this)` : name,
            addresses.join(' '),
            podCIDRs.join(' '),
          ]),
      },
    ];
    return all.filter(({ rows }) => rows.length > 0);
  };

  /** Draws the page in a browser, again and again. */
  const run = ({ document, fetch, setTimeout }: Browser): void => {
    const element = (tag: string, text: string): PageElement => {
      const made = document.createElement(tag);
      made.textContent = text;
      return made;
    };
    const row = (tag: string, cells: readonly string[], labels: readonly string[] = []) => {
      const made = document.createElement('tr');
      for (const [index, text] of cells.entries()) {
        const cell = element(tag, text);
        // A phone shows it before the value, in place of the heads of columns.
        cell.setAttribute('data-label', labels[index] ?? '');
        made.append(cell);
      }
      return made;
    };
    const section = ({ title, head, rows }: Section): PageElement => {
      const table = document.createElement('table');
      table.append(row('th', head), ...rows.map((cells) => row('td', cells, head)));
      const scroller = document.createElement('div');
      scroller.className = 'scroll';
      scroller.append(table);
      const made = document.createElement('section');
      if (title === 'Degraded') made.className = 'bad';
      made.append(element('h2', title), scroller);
      return made;
    };
    const drawing = (tag: string, attributes: Readonly<Record<string, string>>): PageElement => {
      const made = document.createElementNS(SVG, tag);
      for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
      return made;
    };
    const chart = (id: string, unit: string, series: readonly Series[]): void => {
      const max = niceMax(
        series.reduce(
          (most, { values }) => values.reduce((m: number, v) => Math.max(m, v ?? 0), most),
          0,
        ),
      );
      const svg = drawing('svg', {
        viewBox: `-4 -4 ${WIDTH + 8} ${HEIGHT + 8}`,
        preserveAspectRatio: 'none',
        role: 'img',
      });
      for (const part of [0, 0.5, 1]) {
        const y = String(part * HEIGHT);
        svg.append(drawing('line', { class: 'grid', x1: '0', x2: String(WIDTH), y1: y, y2: y }));
      }
      series.forEach(({ values }, index) => {
        svg.append(drawing('path', { class: `line line-${index}`, d: linePath(values, max) }));
      });
      const legend = document.createElement('p');
      legend.className = 'legend';
      legend.append(
        ...series.map(({ name }, index) => {
          const key = element('span', name);
          key.className = `key line-${index}`;
          return key;
        }),
        element('span', `top: ${max} ${unit}`),
      );
      document.getElementById(id)?.replaceChildren(svg, legend);
    };
    const show = (status: AgentStatus, history: readonly Sample[]): void => {
      const { nodeName, version, notReady, degraded, at } = status;
      const isWell = notReady === null && degraded.length === 0;
      const state = notReady !== null ? `not ready: ${notReady}` : isWell ? 'well' : 'degraded';
      const title = document.getElementById('state');
      if (title !== null) {
        title.textContent = state;
        title.className = isWell ? 'state good' : 'state bad';
      }
      document.title = `${nodeName}: ${isWell ? 'well' : 'degraded'}`;
      const about = document.getElementById('about');
      if (about !== null) {
        about.textContent = `${nodeName}, podwire ${version}, up ${age(status.startedAt, at)}, ${Math.round(status.memoryBytes / 1_048_576)} MiB`;
      }
      chart('syncs', 'ms', syncSeries(history));
      chart('answers', 'a second', answerSeries(history));
      document.getElementById('sections')?.replaceChildren(...sections(status).map(section));
    };
    const look = async (): Promise<void> => {
      try {
        const [status, history] = await Promise.all(
          ['/status.json', '/status/history.json'].map(async (path) => {
            const response = await fetch(path);
            if (!response.ok) throw new Error(path);
            return response.json();
          }),
        );
        show(status as AgentStatus, history as readonly Sample[]);
      } catch {
        const title = document.getElementById('state');
        if (title !== null) {
          title.textContent = 'the agent does not answer; what is below is what it said last';
          title.className = 'state bad';
        }
      }
    };
    const loop = (): void => {
      const again = (): unknown => setTimeout(loop, INTERVAL_MS);
      // Nobody looks at a page that is hidden.
      if (document.hidden) again();
      else void look().then(again);
    };
    loop();
  };

  return { niceMax, linePath, syncSeries, answerSeries, age, sections, run };
}
