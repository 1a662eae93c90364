export function faultOf(error: unknown): string | undefined;
export function causeOf(fault: string): string;
