import * as z from 'zod';

/**
 * A signing secret as Standard Webhooks defines it: `whsec_` and 16 to 128 characters of base64 with padding (24 bytes or more are
 * advised). Decoders disagree about any other base64, so signatures would differ.
 */
export const webhookSecretSchema = z
  .string()
  .regex(
    /^whsec_(?=[A-Za-z0-9+/=]{16,128}$)(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
    '"whsec_" and padded base64, as Standard Webhooks has it',
  );
