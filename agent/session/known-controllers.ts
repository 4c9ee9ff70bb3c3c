/** So many addresses of controllers that left the list are tried when nobody on the list answers. */
const rememberedFormer = 10;

/**
 * Where this host looks for controllers. The list that a controller gives may be some seconds behind: one that has just
 * started is missing in it. An agent that forgot the others would be lost with the only one it still knew, so those
 * that left the list are kept as a last resort. That is safe: whoever answers there must show a certificate of the cluster.
 */
export class KnownControllers {
  readonly #save: (urls: readonly string[]) => void;
  #current: readonly string[];
  #former: readonly string[] = [];

  /** `remembered`: what `save` was last given, newest first; `save` gets all that a later life of the agent should try. */
  constructor(remembered: readonly string[], save: (urls: readonly string[]) => void) {
    this.#current = remembered;
    this.#save = save;
  }

  /** Those of the cluster, as a controller last named them. */
  get current(): readonly string[] {
    return this.#current;
  }

  /** A controller has said that these are all; an empty list is no answer. */
  learn(urls: readonly string[]): void {
    if (urls.length === 0 || isSameSet(urls, this.#current)) return;
    const named = new Set(urls);
    const left = new Set([...this.#current, ...this.#former].filter((url) => !named.has(url)));
    this.#current = [...named];
    this.#former = [...left].slice(0, rememberedFormer);
    this.#save([...this.#current, ...this.#former]);
  }

  /** All of them in the order to be tried: at random, so that agents spread; `lost` after the others, then former ones. */
  inTurn(lost: string | null): string[] {
    const keyed = this.#current.map((url) => ({ url, key: url === lost ? 2 : Math.random() }));
    return [...keyed.sort((a, b) => a.key - b.key).map(({ url }) => url), ...this.#former];
  }
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return new Set(a).size === new Set(b).size && a.every((url) => b.includes(url));
}
