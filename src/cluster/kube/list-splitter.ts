/** An item is one object, and etcd takes none above 1.5 MiB. */
const ITEM_BYTES_MAX = 8 << 20;
/** What is around the items: kind, apiVersion, metadata. */
const HEAD_BYTES_MAX = 1 << 20;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** How deep the items are: within the list's object and its array. */
const ITEM_DEPTH = 2;

/**
 * Takes a Kubernetes list apart while it comes: no more than one item is ever held as text, however
 * long the list. JSON.parse reads the items and what is around them, so what is not JSON is found there.
 */
export class ListSplitter {
  #depth = 0;
  #inString = false;
  #escaped = false;
  #inItems = false;
  #head = '';
  #parts: Uint8Array[] = [];
  #itemBytes = 0;

  /** The items that `chunk` completes, as text. Throws RangeError for what is too long. */
  *push(chunk: Uint8Array): Generator<string, undefined> {
    let from = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
        continue;
      }
      switch (byte) {
        case QUOTE:
          this.#inString = true;
          break;
        case OPEN_BRACE:
        case OPEN_BRACKET:
          if (this.#inItems && this.#depth === ITEM_DEPTH) from = at;
          this.#depth += 1;
          if (this.#depth === ITEM_DEPTH && byte === OPEN_BRACKET) {
            this.#keepHead(chunk.subarray(from, at + 1));
            from = at + 1;
            this.#inItems = /"items"\s*:\s*\[$/.test(this.#head);
          }
          break;
        case CLOSE_BRACE:
        case CLOSE_BRACKET:
          if (this.#inItems && this.#depth === ITEM_DEPTH) {
            this.#inItems = false;
            from = at;
          }
          this.#depth -= 1;
          if (this.#inItems && this.#depth === ITEM_DEPTH) {
            yield this.#item(chunk.subarray(from, at + 1));
            from = at + 1;
          }
          break;
        case COMMA:
          if (this.#inItems && this.#depth === ITEM_DEPTH) from = at + 1;
          break;
        default:
          break;
      }
    }
    const rest = chunk.subarray(from);
    if (!this.#inItems) this.#keepHead(rest);
    else if (this.#depth > ITEM_DEPTH) this.#keep(rest);
  }

  /** What was around the items, with an empty list in their place. Throws SyntaxError when cut short. */
  end(): unknown {
    return JSON.parse(this.#head);
  }

  #keepHead(bytes: Uint8Array): void {
    // Versions and cursors are ASCII, and nothing else of it is read.
    this.#head += Buffer.from(bytes).toString('latin1');
    if (this.#head.length > HEAD_BYTES_MAX) {
      throw new RangeError(`more than ${HEAD_BYTES_MAX} bytes around the items of a list`);
    }
  }

  #keep(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#itemBytes += bytes.length;
    if (this.#itemBytes > ITEM_BYTES_MAX) {
      throw new RangeError(`an item of more than ${ITEM_BYTES_MAX} bytes`);
    }
  }

  #item(last: Uint8Array): string {
    this.#keep(last);
    const text = Buffer.concat(this.#parts).toString();
    this.#parts = [];
    this.#itemBytes = 0;
    return text;
  }
}
