export type OrderStatus = 'PENDING' | 'PAID' | 'CANCELLED' | 'EXPIRED' | 'REFUNDED';

/**
 * What may become of an order. There is no way back, so each status is reached once at most.
 *
 *   PENDING ─┬─▶ PAID ───▶ REFUNDED
 *            ├─▶ CANCELLED
 *            └─▶ EXPIRED
 */
export const nextStatuses: Readonly<Record<OrderStatus, readonly OrderStatus[]>> = {
  PENDING: ['PAID', 'CANCELLED', 'EXPIRED'],
  PAID: ['REFUNDED'],
  CANCELLED: [],
  EXPIRED: [],
  REFUNDED: [],
};

/** Where an order may come from that is to become `to`: the condition of the UPDATE. */
export function statusesBefore(to: OrderStatus): OrderStatus[] {
  return (Object.keys(nextStatuses) as OrderStatus[]).filter((from) => nextStatuses[from].includes(to));
}
