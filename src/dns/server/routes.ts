import { Table, type TableSource } from '../table/table.ts';
import { formatName } from '../wire/name.ts';
import type { WireName } from '../wire/wire-name.ts';

/** Says which table has a name; undefined where none has, and somebody else may know. */
export interface TableChoice {
  tableFor(name: WireName, forTransfer?: boolean): Table | undefined;
}

/** What becomes of the names in and below a zone. */
export interface Route {
  /** In wire form and lower case. */
  readonly zone: Uint8Array;
  /** The number of the table that has them; undefined where each query is the fallback's. */
  readonly table: number | undefined;
  /** Where that is undefined: the number of the table whose zones may be transferred, if there is one. */
  readonly transferTable?: number | undefined;
}

/** Routes in a form that can be sent to another thread. */
export interface RoutesSource {
  readonly tables: readonly TableSource[];
  /** The longest zone first. */
  readonly routes: readonly Route[];
}

const ROOT = Uint8Array.of(0);

/** Which names a server has, and the table of each: the route of the longest zone holds. */
export class Routes implements TableChoice {
  readonly source: RoutesSource;
  readonly tables: readonly Table[];
  /** The zone of each route as text with its final dot, and "" for names that none has. */
  readonly labels: readonly string[];
  /** The route the name took that was looked up last; as many as there are for none. */
  index: number;

  constructor(source: RoutesSource) {
    const routes = source.routes.toSorted((a, b) => b.zone.length - a.zone.length);
    this.source = { ...source, routes };
    this.tables = source.tables.map((each) => new Table(each));
    this.labels = [...routes.map(({ zone }) => labelOf(zone)), ''];
    this.index = routes.length;
  }

  /** All names are the table's. */
  static of(table: Table): Routes {
    return new Routes({ tables: [table.source], routes: [{ zone: ROOT, table: 0 }] });
  }

  /** No name has been looked up. */
  reset(): void {
    this.index = this.source.routes.length;
  }

  /** Whether the name that was looked up last is in none of the zones. */
  get isNobodys(): boolean {
    return this.index === this.source.routes.length;
  }

  tableFor(name: WireName, forTransfer = false): Table | undefined {
    const { routes } = this.source;
    for (let index = 0; index < routes.length; index += 1) {
      const route = routes[index];
      if (route === undefined || !name.isWithin(route.zone)) continue;
      this.index = index;
      const number = forTransfer ? (route.table ?? route.transferTable) : route.table;
      return number === undefined ? undefined : this.tables[number];
    }
    this.index = routes.length;
    return undefined;
  }

  /** Says that a reader reads from now on; see Table. */
  enter(reader: number): void {
    for (let index = 0; index < this.tables.length; index += 1) this.tables[index]?.enter(reader);
  }

  leave(reader: number): void {
    for (let index = 0; index < this.tables.length; index += 1) this.tables[index]?.leave(reader);
  }
}

function labelOf(zone: Uint8Array): string {
  const name = formatName(zone);
  return name === '.' ? name : `${name}.`;
}
