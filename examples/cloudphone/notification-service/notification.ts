import { z } from 'zod';

const allowedId = '1 to 200 characters without spaces or control characters';
const allowedUser = 'text of 1 to 100 letters, digits and . _ @ -';
const allowedMessage = 'text of 1 to 4000 characters';
const allowedTitle = 'text of 1 to 200 characters, or nothing';
const allowedToken = 'a token of user-service';
const allowedLimit = 'a whole number from 1 to 100';

/** Half a character, which JSON lets pass, is no text for Redis: its scripts refuse to read it. */
const isWhole = (text: string) => text.isWellFormed();
const text = (max: number, error: string) =>
  z.string({ error }).min(1, { error }).max(max, { error }).refine(isWhole, { error });

const idSchema = text(200, allowedId).regex(/^[^\s\p{Cc}]*$/u, { error: allowedId });
const userSchema = z.string({ error: allowedUser }).regex(/^[A-Za-z0-9._@-]{1,100}$/, { error: allowedUser });

/** What is sent. With an `id` of the sender, sending it again is the same notification. */
export const sendSchema = z.object({
  id: idSchema.optional(),
  userId: userSchema,
  message: text(4000, allowedMessage),
  title: text(200, allowedTitle).optional(),
});

export const recentSchema = z.object({
  userId: userSchema,
  limit: z.coerce
    .number({ error: allowedLimit })
    .int({ error: allowedLimit })
    .min(1, { error: allowedLimit })
    .max(100, { error: allowedLimit })
    .default(50),
});

/** How a client introduces itself; `after` is the id of the last notification that it has. */
export const clientSchema = z.object({
  userId: userSchema.optional(),
  token: z.string({ error: allowedToken }).max(4000, { error: allowedToken }).optional(),
  after: idSchema.optional(),
});

/** As clients get it. */
export interface Notification {
  readonly id: string;
  readonly userId: string;
  readonly message: string;
  readonly title?: string;
  readonly sentAt: string;
}
