/*
 * A screen of text that is drawn over itself. Each drawing is one write, and lines are overwritten
 * rather than cleared first, so nothing flickers.
 */

const ESC = '\x1b';
/** The alternate screen, so that what was on the terminal is back in the end; and no cursor. */
const ENTER = `${ESC}[?1049h${ESC}[?25l`;
const LEAVE = `${ESC}[?25h${ESC}[?1049l`;
const HOME = `${ESC}[H`;
const CLEAR_LINE = `${ESC}[K`;
const CLEAR_BELOW = `${ESC}[J`;
/** Terminals that know these show all between them at once. */
const BEGIN = `${ESC}[?2026h`;
const END = `${ESC}[?2026l`;

/** What a terminal has that says 0, as one does that nobody looks at. */
const COLUMNS = 80;
const ROWS = 24;

/** What the terminal has to be able to. */
interface Terminal {
  readonly columns: number;
  readonly rows: number;
  write(text: string): unknown;
}

/** A terminal that shows one text, for as long as it is open. */
export class Screen implements Disposable {
  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    terminal.write(ENTER);
  }

  /** Shows as much of the text as there is room for. */
  draw(text: string): void {
    const { columns, rows } = this.#terminal;
    this.#terminal.write(
      `${BEGIN}${HOME}${frame(text, columns || COLUMNS, rows || ROWS)}${CLEAR_BELOW}${END}`,
    );
  }

  [Symbol.dispose](): void {
    this.#terminal.write(LEAVE);
  }
}

/** The lines of a text that fit, cut at the right. Nothing in it is taken for a control sequence. Pure. */
export function frame(text: string, columns: number, rows: number): string {
  const lines = text.replace(/\n$/, '').split('\n');
  const shown = lines.slice(0, Math.max(1, rows));
  if (lines.length > shown.length) {
    shown[shown.length - 1] = `... ${lines.length - shown.length + 1} lines more`;
  }
  return shown
    .map((line) => {
      const printable = line.replaceAll(/\p{Cc}/gu, '?');
      return `${printable.slice(0, Math.max(1, columns))}${CLEAR_LINE}`;
    })
    .join('\r\n');
}
