import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { OperationName, operations } from '../../shared/contracts/operations.ts';

type Table = typeof operations;
type PartInput<T, K extends string> = T extends Record<K, infer S extends z.ZodType> ? z.input<S> : never;

type Part<T, K extends 'params' | 'query' | 'body'> =
  T extends Record<K, z.ZodType>
    ? object extends PartInput<T, K>
      ? { readonly [P in K]?: PartInput<T, K> }
      : { readonly [P in K]: PartInput<T, K> }
    : unknown;

/** Bytes to upload. `open` is called once for each try, so that a try on another controller starts from the first byte. */
export interface BinaryBody {
  readonly bytes: number;
  readonly open: () => Readable;
}

type UploadPart<T> = T extends { bodyType: string } ? { readonly body: BinaryBody } : unknown;

/** What an operation takes, as its contract says; parts with nothing required may be left out. */
export type OperationInput<N extends OperationName> = Part<Table[N], 'params'> &
  Part<Table[N], 'query'> &
  Part<Table[N], 'body'> &
  UploadPart<Table[N]>;

type Answer<T> = T extends { response: infer R extends z.ZodType } ? z.output<R> : undefined;

/** What an operation resolves with: a parsed object, an iterable of events, or a stream of bytes. */
export type OperationOutput<N extends OperationName> = Table[N] extends { stream: 'sse' }
  ? AsyncIterable<Answer<Table[N]>>
  : Table[N] extends { stream: 'binary' }
    ? Promise<Readable>
    : Promise<Answer<Table[N]>>;

export interface CallOptions {
  /** Ends this call, beside the signal of the client. */
  readonly signal?: AbortSignal;
  /** For streams: told each time the connection was lost and is tried again. */
  readonly onReconnect?: (error: Error) => void;
}

export type Operate<N extends OperationName> =
  object extends OperationInput<N>
    ? (input?: OperationInput<N>, options?: CallOptions) => OperationOutput<N>
    : (input: OperationInput<N>, options?: CallOptions) => OperationOutput<N>;

/** One method for each operation of the REST table. */
export type Operations = { readonly [N in OperationName]: Operate<N> };
