import { z } from 'zod';

const allowed = 'text of 1 to 100 letters, digits and . _ @ -';

/** Ids of users, plans, orders, payments and events: those of others as they come, as long as they are plain. */
export const idSchema = z.string({ error: allowed }).regex(/^[A-Za-z0-9._@-]{1,100}$/, { error: allowed });
